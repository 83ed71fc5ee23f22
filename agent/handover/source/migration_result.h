#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// What became of a migration that is over.
enum class MigrationResult : std::uint8_t {
  ok,
  failed,
  cancelled,
  checked,  ///< nothing was to be moved, and nothing was forgotten
  stored,   ///< nothing was to be moved, and a snapshot is in its store
};
constexpr MigrationResult last_of(MigrationResult) { return MigrationResult::stored; }

/// "cancelled", as JSON, journal and metrics have it.
[[nodiscard]] constexpr std::string_view to_string(MigrationResult result) {
  using enum MigrationResult;
  switch (result) {
    case ok: return "ok";
    case failed: return "failed";
    case cancelled: return "cancelled";
    case checked: return "checked";
    case stored: return "stored";
  }
  return "failed";
}

}  // namespace cardswap
