#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// Which of its two sides has a job, by an operator's word.
enum class MigrationSide : std::uint8_t { source, target };
constexpr MigrationSide last_of(MigrationSide) { return MigrationSide::target; }

/// "source", "target".
[[nodiscard]] constexpr std::string_view to_string(MigrationSide side) {
  return side == MigrationSide::source ? "source" : "target";
}

}  // namespace cardswap
