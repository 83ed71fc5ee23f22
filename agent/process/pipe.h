#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include "migrator/core/descriptor.h"
#include "migrator/core/error.h"

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

/// For a child between fork and its end: closes whatever else it has open, so that it holds no
/// socket and no pipe of the agent's when that has ended.
inline void keep_only(int fd) noexcept {
  constexpr unsigned kFirst = STDERR_FILENO + 1;
  const auto kept = static_cast<unsigned>(fd);
  if (kept > kFirst) (void)::syscall(SYS_close_range, kFirst, kept - 1, 0);
  (void)::syscall(SYS_close_range, kept + 1, ~0U, 0);
}

}  // namespace cardswap
