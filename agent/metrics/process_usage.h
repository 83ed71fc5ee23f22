#pragma once

#include <cstdint>

namespace cardswap {

/// What this process uses, as the kernel says. 0: the kernel does not say.
struct ProcessUsage {
  double cpu_seconds = 0;
  double start_time_seconds = 0;  ///< since 1970
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
};
/// Reads it now.
[[nodiscard]] ProcessUsage process_usage();

}  // namespace cardswap
