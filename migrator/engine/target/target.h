#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "migrator/engine/program.h"

namespace cardswap {

/// The receiving end: listens, admits one source with the right token, receives chunks straight
/// into the program's memory, answers with digests of what it holds. Owns one thread. After
/// `verified` the memory is not written any more unless the source sends again (then `verified`
/// comes again).
class Target {
 public:
  /// Listens when it returns. Throws Error{io} when the address cannot be bound.
  Target(TargetOptions options, TargetProgram& program, TargetCallbacks callbacks);
  ~Target();  ///< closes the link and joins
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// Any thread: the program stands behind the step that TargetProgram::rehearse() asked for, with
  /// these values.
  void rehearsed(std::vector<std::byte> values);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cardswap
