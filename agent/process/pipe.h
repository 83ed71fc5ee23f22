#pragma once

#include <fcntl.h>
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

}  // namespace cardswap
