#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace cardswap::cli {

/// How often a protected job's snapshot is taken: by steps, by time, or not at all.
struct Cadence {
  std::uint64_t steps = 0;            ///< 0: not by steps
  std::chrono::milliseconds time{0};  ///< 0: not by time
  [[nodiscard]] bool is_off() const { return steps == 0 && time.count() == 0; }
};

/// Reads "100" (steps), "10m" (a time of a second or more) or "off". Throws Error{bad_request}.
[[nodiscard]] Cadence cadence_from(std::string_view text);

}  // namespace cardswap::cli
