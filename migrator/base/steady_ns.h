#pragma once

#include <chrono>
#include <cstdint>

namespace cardswap {

/// This host's monotonic clock in nanoseconds, as messages carry it.
[[nodiscard]] inline std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace cardswap
