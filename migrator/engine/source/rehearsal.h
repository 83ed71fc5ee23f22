#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "migrator/engine/chunk_map.h"

namespace cardswap {

/// The differences between the two sides after both took one step from the same state. If there are
/// any, the step reads something that is not tracked or is different at the target. A value.
struct RehearsalDifference {
  std::uint64_t step = 0;            ///< the boundary after that step
  std::vector<std::string> values;   ///< tracked things whose values (not regions) differ
  std::vector<std::string> regions;  ///< regions that differ, in the layout's order
  std::uint64_t bytes = 0;           ///< of the chunks that differ

  [[nodiscard]] bool empty() const { return values.empty() && regions.empty(); }
  /// A sentence for people: "step 13 left ...", with the first few names.
  [[nodiscard]] std::string text() const;
  /// A hint for people: which cause is likely.
  [[nodiscard]] std::string hint() const;
};

/// Makes the value from the chunks of `chunks` that differ, in order, and the names of values.
[[nodiscard]] RehearsalDifference rehearsal_difference(std::uint64_t step, const ChunkMap& chunks,
                                                       std::span<const ChunkId> differing,
                                                       std::vector<std::string> values);

}  // namespace cardswap
