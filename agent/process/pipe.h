#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Both ends of a pipe. No program that is started inherits them.
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

/// Closes, in a child between fork and its end or exec, whatever that has open from `first` on but
/// `fd`, which is not below, so that it holds no socket, no lock and no pipe of the agent's when
/// that has ended.
inline bool keep_only(int fd, unsigned first = STDERR_FILENO + 1) noexcept {
  const auto kept = static_cast<unsigned>(fd);
  return (kept == first || ::syscall(SYS_close_range, first, kept - 1, 0) == 0) &&
         ::syscall(SYS_close_range, kept + 1, ~0U, 0) == 0;
}

}  // namespace cardswap
