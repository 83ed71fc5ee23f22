#pragma once

#include <cstdint>
#include <vector>

#include "migrator/store/log_index.h"

/// Which segments of a gradient log are kept. Pure.
namespace cardswap::store {

/// How much of a log is kept.
struct LogWindow {
  std::uint64_t steps = 0;  ///< behind the newest one; 0: no limit
  std::uint64_t bytes = 0;  ///< of all segments together; 0: no limit
};

/// What becomes of the segments of a log.
struct LogCut {
  std::size_t removable = 0;  ///< how many of them go, counted from the oldest
  /// What is left has more bytes than allowed, and all of it is needed: no step may be added before
  /// there is a newer snapshot.
  bool is_full = false;
};

/// Decides for the segments of one line, by their steps. What leads on from the newest verified
/// snapshot, of `base_step`, stays whatever the window says: a step goes only if it is none after
/// that. `coming`: bytes that are to be added.
[[nodiscard]] LogCut cut_of(const std::vector<LogSegment>& segments, std::uint64_t base_step,
                            const LogWindow& window, std::uint64_t coming);

}  // namespace cardswap::store
