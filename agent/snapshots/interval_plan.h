#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "agent/jobs/auto_interval.h"

/// How often snapshots are taken of a job that is protected by `--every auto`. Pure.
///
/// A short interval costs training by its snapshots, a long one by the steps that a failure loses.
/// Both together are the least at sqrt(2 * cost * mean time between failures) (Young, 1974; Daly,
/// 2006), as long as a snapshot costs much less than that time is long.
namespace cardswap::snapshots {

inline constexpr std::chrono::milliseconds kIntervalMin{1'000};
inline constexpr std::chrono::milliseconds kIntervalMax{3'600'000};
inline constexpr std::chrono::milliseconds kIntervalUnmeasured{60'000};

/// What one snapshot took.
struct SnapshotCost {
  /// Training that it took: by how much the job's steps were late because of it, by the job's own
  /// clock. Nullopt: not known.
  std::optional<double> lost_ms;
  std::chrono::milliseconds stored{0};  ///< from its request until it was in the store
};

/// `before` with one more snapshot in what it follows from; the interval itself stays.
[[nodiscard]] AutoInterval with_snapshot(AutoInterval before, const SnapshotCost& snapshot);

/// `before` with the interval that its cost and `mtbf`, the mean time between failures, ask for: at
/// least as long as a snapshot takes to be stored, so that the next one never waits for the last,
/// and from kIntervalMin to kIntervalMax; kIntervalUnmeasured where the cost is not known. The
/// interval of before stays where the new one would differ by less than a quarter.
[[nodiscard]] AutoInterval planned(AutoInterval before, std::chrono::milliseconds mtbf);

}  // namespace cardswap::snapshots
