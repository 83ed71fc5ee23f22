#pragma once

#include <chrono>

namespace cardswap {

/// Milliseconds from `start` until now.
[[nodiscard]] inline double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace cardswap
