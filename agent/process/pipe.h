#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Both ends of a pipe, closed on exec.
struct Pipe {
  Descriptor read;
  Descriptor write;
};

/// Throws Error{io}.
[[nodiscard]] inline Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(Code::io, "make a pipe: " + std::generic_category().message(errno),
                "too many files may be open: look at the limit of the agent's service");
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// Closes all descriptors from `first` on except `fd`, which must not be below `first`. For a child
/// after fork, so that it does not keep sockets, locks and pipes of the agent open after the
/// agent's end. Async-signal-safe. False: errno says why.
inline bool keep_only(int fd, unsigned first = STDERR_FILENO + 1) noexcept {
  const auto kept = static_cast<unsigned>(fd);
  return (kept == first || ::syscall(SYS_close_range, first, kept - 1, 0) == 0) &&
         ::syscall(SYS_close_range, kept + 1, ~0U, 0) == 0;
}

}  // namespace cardswap
