#pragma once

#include "migrator/base/descriptor.h"

namespace cardswap {

/// A descriptor that is readable from notify() until clear(), for a thread that waits in poll().
/// Any thread may call notify(); one thread waits and clears.
class EventFd {
 public:
  /// Throws Error{io} when the process has no descriptor left.
  EventFd();

  void notify() const noexcept;
  void clear() const noexcept;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Descriptor fd_;
};

}  // namespace cardswap
