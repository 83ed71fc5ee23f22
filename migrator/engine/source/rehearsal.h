#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrator/engine/chunk_map.h"

namespace cardswap {

/// What one step from one and the same state has left different at the two sides. Something that
/// the step reads is then not tracked, or another one there. Values: nothing here waits or sends.
struct RehearsalDifference {
  std::uint64_t step = 0;            ///< the boundary behind it
  std::vector<std::string> values;   ///< tracked things that are no regions, or are not only that
  std::vector<std::string> regions;  ///< in the layout's order
  std::uint64_t bytes = 0;           ///< of their chunks that differ

  [[nodiscard]] bool empty() const { return values.empty() && regions.empty(); }
  /// "step 13 left ...": by name, as many as people read.
  [[nodiscard]] std::string text() const;
  /// What to look for, by what differs and what does not.
  [[nodiscard]] std::string hint() const;
};

/// `differing`: of `chunks`, in order.
[[nodiscard]] RehearsalDifference rehearsal_difference(std::uint64_t step, const ChunkMap& chunks,
                                                       std::span<const ChunkId> differing,
                                                       std::vector<std::string> values);

}  // namespace cardswap
