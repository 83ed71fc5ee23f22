#pragma once

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace cardswap {

/// Writes all of `bytes` to a blocking descriptor. Returns 0, or the errno of the write that
/// failed.
[[nodiscard]] inline int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace cardswap
