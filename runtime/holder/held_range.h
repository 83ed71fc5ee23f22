#pragma once

#include <cstdint>

#include "migrator/layout.h"
#include "runtime/descriptor.h"

namespace cardswap {

/// An arena that is being received: a memfd mapped where the layout wants its regions. One thread.
class HeldRange {
 public:
  HeldRange() = default;
  ~HeldRange();
  HeldRange(const HeldRange&) = delete;
  HeldRange& operator=(const HeldRange&) = delete;

  /// Maps all that `wanted` needs; a later layout may need more of the same range and keeps what is
  /// there. Throws Error{bad_request} on regions that no arena has, and Error{refused} when
  /// something else is mapped there.
  [[nodiscard]] Snapshot adopt(const Layout& wanted);

  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] int file() const { return file_.fd(); }

 private:
  void extend(std::uint64_t bytes);

  std::uint64_t base_ = 0;
  std::uint64_t bytes_ = 0;
  Descriptor file_;
};

}  // namespace cardswap
