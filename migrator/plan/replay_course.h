#pragma once

#include <cstdint>

#include "migrator/plan/measurements.h"

namespace cardswap {

/// The predicted course of a replay, from now until the target's first step. Times are in ms.
struct ReplayCourse {
  double copied = 1;         ///< share of Measurements::replayed_bytes copied before the freeze
  bool holds = false;        ///< each step waits for its own entry, not only when the log is full
  double sync_ms = 0;        ///< until the freeze
  double freeze_ms = 0;      ///< hold and downtime, and the pause of a rehearsal
  double stall_ms = 0;       ///< the longest delay of one step, the freeze included
  double lost_ms = 0;        ///< the sum of all delays, the freeze included
  std::uint64_t logged = 0;  ///< bytes of gradients that are still to be sent
};

/// When a replay freezes the job.
enum class FreezeWhen : std::uint8_t {
  base_is_whole,  ///< once the base copy is complete and an audit has checked it
  it_pays         ///< already when further copying would cost the job more time than it saves
};

/// Predicts the course with the least lost time among those in which no step is late by more than
/// `max_stall_ms` (0: no limit). If no course keeps that limit, returns the one with the shortest
/// stall. `measured` may be of a replay that is under way (copied_bytes, logged_bytes): delays of
/// the past are not included.
///
/// The base copy is simulated piece by piece. The entry of a step has the gradients of the part
/// that is copied by then. If the link sends an entry within one step, the copy uses the rest of
/// the link and no step is late. If not, there are two ways: log and copy share the link by halves,
/// and steps wait for room in the log; or each step waits for its own entry, and the copy uses the
/// link while the job computes. Pure.
[[nodiscard]] ReplayCourse course_of_replay(const Measurements& measured, double max_stall_ms,
                                            FreezeWhen when);

/// Whether sending the gradients of a step, or replaying them at the target, takes at least as long
/// as a step. A log that has fallen behind then never catches up by itself.
[[nodiscard]] bool log_outlasts_a_step(const Measurements& measured);

}  // namespace cardswap
