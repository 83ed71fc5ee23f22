#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "migrator/engine/program.h"

namespace cardswap {

/// The receiving end of a migration. Listens, admits the one source that has the token, receives
/// chunks straight into the program's memory, and answers with digests of what it holds. Owns one
/// thread. After `verified` the memory is not written any more, unless the source sends again; then
/// `verified` is called again. Later failures are reported by TargetCallbacks::failed.
class Target {
 public:
  /// Listens when it returns. Throws what listen_link() throws. `program` outlives this.
  Target(TargetOptions options, TargetProgram& program, TargetCallbacks callbacks);
  ~Target();  ///< closes the link and joins; waits for a replay or an adopt() that is running
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// Tells the engine that the program is parked after the step of TargetProgram::rehearse();
  /// `values` are its values then. Any thread.
  void rehearsed(std::vector<std::byte> values);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cardswap
