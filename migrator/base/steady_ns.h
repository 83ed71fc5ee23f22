#pragma once

#include <chrono>
#include <cstdint>

namespace cardswap {

/// Nanoseconds of this host's monotonic clock, as messages carry them.
[[nodiscard]] inline std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace cardswap
