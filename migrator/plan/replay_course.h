#pragma once

#include <cstdint>

#include "migrator/plan/measurements.h"

namespace cardswap {

/// How a replay goes, from where it is to the target's first step. ms.
struct ReplayCourse {
  double copied = 1;         ///< share of what is replayed that is copied before the freeze
  bool holds = false;        ///< each step waits for its own entry, not only where the log is full
  double sync_ms = 0;        ///< until the freeze
  double freeze_ms = 0;      ///< hold and downtime, and a rehearsal's stand
  double stall_ms = 0;       ///< the longest that one step is late, the freeze's included
  double lost_ms = 0;        ///< all lateness, the freeze's included
  std::uint64_t logged = 0;  ///< gradients that go over, bytes
};

/// When a replay freezes.
enum class Copies {
  whole,   ///< once the base copy is complete and was audited
  as_pays  ///< where copying on would make the job lose more than it spares the freeze
};

/// The course that loses least of those in which no step is late by more than `max_stall_ms` (0: no
/// limit); the shortest stall where there is none. `measured` may be of a replay that is under way
/// (copied_bytes, logged_bytes): lateness that was is not in it.
///
/// The base copy is reckoned piece by piece. A step's entry has the gradients of what was copied by
/// then. While that goes over within a step, the copy has the rest of the link, and nothing is
/// late. Where it does not, log and copy have half of the link each, and steps wait for room in the
/// log; or each waits for its own entry, and the copy has the link while the job computes. Pure.
[[nodiscard]] ReplayCourse course_of_replay(const Measurements& measured, double max_stall_ms,
                                            Copies copies);

/// Whether a step's gradients take the link, or their replay the target, for as long as a step or
/// longer: a log that lags then never catches up by itself.
[[nodiscard]] bool log_outlasts_a_step(const Measurements& measured);

}  // namespace cardswap
