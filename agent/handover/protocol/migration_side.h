#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// A side of a migration; in an operator's decision, the side that is to have the job.
enum class MigrationSide : std::uint8_t { source, target };
constexpr MigrationSide last_of(MigrationSide) { return MigrationSide::target; }

/// "source", "target".
[[nodiscard]] constexpr std::string_view to_string(MigrationSide side) {
  return side == MigrationSide::source ? "source" : "target";
}

}  // namespace cardswap
