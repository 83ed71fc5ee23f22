#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/engine/update_entry.h"

namespace cardswap {

/// A region's bytes at a boundary, in memory of their own.
struct CapturedRegion {
  std::uint32_t region = 0;
  std::vector<std::byte> bytes;
};

/// All that a step of the job has read and left besides the state that its updates rewrite: what a
/// gradient log keeps of it.
struct LoggedStep {
  std::uint64_t step = 0;               ///< the boundary to which it has led
  std::vector<UpdateEntry> updates;     ///< in the order in which they were taken
  std::vector<std::byte> values;        ///< at that boundary
  std::vector<CapturedRegion> regions;  ///< those that no update rewrites, and that have changed
  [[nodiscard]] std::uint64_t bytes() const {
    std::uint64_t sum = values.size();
    for (const auto& update : updates) sum += update.bytes();
    for (const auto& region : regions) sum += region.bytes.size();
    return sum;
  }
};

}  // namespace cardswap
