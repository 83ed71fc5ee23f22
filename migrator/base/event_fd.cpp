#include "migrator/base/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "migrator/base/os_error.h"

namespace cardswap {

EventFd::EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!fd_) throw os_error("make an event to be woken by");
}

void EventFd::notify() const noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full; the descriptor is readable then.
  [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof(one));
}

void EventFd::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof(count));
}

}  // namespace cardswap
