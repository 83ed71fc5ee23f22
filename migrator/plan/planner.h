#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/plan/measurements.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/replay_course.h"

namespace cardswap {

/// The facts on which the decision to freeze depends.
struct FreezeFacts {
  double max_stall_ms = 300;      ///< 0: no limit
  double expected_parked_ms = 0;  ///< the longest time parked at one boundary, if it froze now
  std::uint64_t dirty_bytes = 0;
  std::uint64_t dirty_bytes_before = 0;  ///< one round earlier; 0: no round yet
  bool last_round = false;               ///< no further round is allowed
};

/// Whether to freeze now: the pause is within the limit, and it is below a quarter of the limit, or
/// nothing is dirty, or another round is not allowed, or more than nine tenths of what was dirty
/// one round earlier is dirty now. Without a limit the quarter does not count.
[[nodiscard]] bool should_freeze(const FreezeFacts& now);

/// The predicted cost of a strategy. `stall_ms` and `lost_ms` are delays of the job's steps of any
/// cause; `downtime_ms` is the freeze alone.
struct Prediction {
  Strategy strategy = Strategy::stop_copy;
  double total_time_ms = 0;
  double downtime_ms = 0;         ///< all times parked; with replay also the wait of the last step
  double stall_ms = 0;            ///< the longest delay of one step
  double lost_ms = 0;             ///< the sum of all delays until the job runs at the target
  std::uint64_t transferred = 0;  ///< bytes; 0: the strategy is not possible
  bool fits = false;              ///< stall_ms is within the limit
  std::string reason;             ///< why not `fits`; else empty
};

/// Predicts the cost of stop-copy, rounds and replay, in this order, before anything was sent.
/// Assumes that state which no optimizer rewrites does not change, and without a replayable
/// optimizer that every step rewrites everything. `max_stall_ms` 0: no limit. With
/// FreezeWhen::it_pays, replay may freeze before its base copy is complete, if the job then loses
/// at least 15 % less time than with a stop-copy, or if a stop-copy exceeds the limit. Pure.
[[nodiscard]] std::vector<Prediction> predict(const Measurements& measured, double max_stall_ms,
                                              FreezeWhen when = FreezeWhen::it_pays);

/// The strategy for `auto`, from the result of predict(): of those within the limit the one with
/// the least lost time; if two lose the same (to 2 %), the one with the shorter stall, then with
/// the shorter total time. If none is within the limit: rounds, which delay no step, and whose
/// scans may find fewer dirty bytes than assumed. The caller then checks first whether rounds can
/// fit, and throws no_strategy_fits() if not.
[[nodiscard]] Strategy choose(const std::vector<Prediction>& predictions);

/// Makes the Error{not_converging} for a job whose steps each rewrite `rewritten_bytes`. Its text
/// has the cost of each strategy, and its hint a limit that would be enough. `predictions`: from
/// predict(), and none of them fits.
[[nodiscard]] Error no_strategy_fits(const Measurements& measured, double max_stall_ms,
                                     std::uint64_t rewritten_bytes,
                                     const std::vector<Prediction>& predictions);

}  // namespace cardswap
