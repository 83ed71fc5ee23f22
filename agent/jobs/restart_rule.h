#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// When a job whose process has ended is started again.
enum class RestartRule : std::uint8_t { never, on_failure };
constexpr RestartRule last_of(RestartRule) { return RestartRule::on_failure; }

/// "never", "on-failure".
[[nodiscard]] constexpr std::string_view to_string(RestartRule rule) {
  return rule == RestartRule::on_failure ? "on-failure" : "never";
}

}  // namespace cardswap
