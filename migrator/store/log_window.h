#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "migrator/store/log_index.h"

/// Which segments of a gradient log are kept. Pure, but for remove_orphans().
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

/// The segments to which no snapshot leads any more: those that end at or before each snapshot of
/// their branch. `bases`: the steps of these; empty: it has none yet, and all stay.
[[nodiscard]] std::vector<LogSegment> orphans_of(const std::vector<LogSegment>& segments,
                                                 const std::set<std::uint64_t>& bases);
/// Removes the orphans of all runs of the job; a snapshot in trash counts as long as it is there.
/// Returns how many. Throws what the store throws.
std::size_t remove_orphans(Store& in, const std::string& job);

}  // namespace cardswap::store
