#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/plan/measurements.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/replay_course.h"

namespace cardswap {

/// What the decision to freeze is made of.
struct FreezeRule {
  double max_stall_ms = 300;     ///< 0: no limit
  double expected_stand_ms = 0;  ///< the longest that it would stand at one boundary
  std::uint64_t dirty_bytes = 0;
  std::uint64_t dirty_bytes_before = 0;  ///< one round earlier; 0: no round yet
  bool last_round = false;               ///< there may be no other
};

/// Whether the stand is within the limit, and another round would hardly shorten it or may not
/// be.
[[nodiscard]] bool should_freeze(const FreezeRule& now);

/// What a strategy would cost the job. `stall_ms` and `lost_ms` are of the job's steps, whatever
/// made them late; `downtime_ms` is the freeze alone.
struct Prediction {
  Strategy strategy = Strategy::stop_copy;
  double total_time_ms = 0;
  double downtime_ms = 0;  ///< all that it stands; replay: and what its last step waits
  double stall_ms = 0;     ///< the longest that one step is late
  double lost_ms = 0;      ///< all lateness, until the job is there
  std::uint64_t transferred = 0;
  bool fits = false;   ///< stall within the limit
  std::string reason;  ///< why it does not fit
};

/// Predicts, before anything was sent: stop-copy, rounds, replay, in this order. What no optimizer
/// rewrites is taken to stay as it is; without a replayable optimizer every step is taken to
/// rewrite all. `max_stall_ms` 0: no limit. With FreezeWhen::it_pays `replay` may freeze with a part of
/// its base copy where that makes the job lose a seventh less than a stop-copy, or a stop-copy is
/// not allowed.
[[nodiscard]] std::vector<Prediction> predict(const Measurements& measured, double max_stall_ms,
                                              FreezeWhen when = FreezeWhen::it_pays);

/// What `auto` does with predict()'s answer: of those within the limit the least lost time, of
/// those that lose the same (to 2 %) the shorter stall, then the shorter total. None within the
/// limit: rounds, which make no step wait, and whose scans may find less dirty than was assumed.
/// Whoever takes them then looks first: no_strategy_fits() is what there is to say if they do not.
[[nodiscard]] Strategy choose(const std::vector<Prediction>& predictions);

/// What each strategy would do to a job of which one step rewrites `rewritten_bytes`, and a limit
/// that would do. `predictions` are predict()'s, of which none fits.
[[nodiscard]] Error no_strategy_fits(const Measurements& measured, double max_stall_ms,
                                     std::uint64_t rewritten_bytes,
                                     const std::vector<Prediction>& predictions);

}  // namespace cardswap
