#pragma once

#include <cstdint>

namespace cardswap {

/// What this process uses, from /proc. Seconds and bytes; zero where the kernel does not tell.
struct ProcessUsage {
  double cpu_seconds = 0;
  double start_time_seconds = 0;  ///< since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};
[[nodiscard]] ProcessUsage process_usage();

}  // namespace cardswap
