#pragma once

#include <cstdint>
#include <string_view>

namespace cardswap {

/// How a migration ended.
enum class MigrationResult : std::uint8_t {
  ok,
  failed,
  cancelled,
  checked,  ///< it was a rehearsal only, and the rehearsal passed
  stored,   ///< it was a snapshot, and the snapshot is in its store
};
constexpr MigrationResult last_of(MigrationResult) { return MigrationResult::stored; }

/// Names a result, such as "cancelled", in JSON, journal and metrics.
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
