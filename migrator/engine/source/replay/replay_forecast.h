#pragma once

#include <cstdint>
#include <string>

#include "migrator/engine/replay_sizes.h"
#include "migrator/engine/source/replay/backlog_trend.h"
#include "migrator/engine/source/replay/gradient_forecast.h"
#include "migrator/plan/measurements.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/replay_course.h"

namespace cardswap {

/// The facts about a running replay from which its forecast is computed.
struct ReplayFacts {
  Measurements measured;  ///< of link, step and agents; dirty_bytes: what the latest audit found
  ReplaySizes sizes;
  std::uint64_t bytes_to_copy = 0;  ///< that the base copy has not sent yet
  bool is_audited = false;          ///< an audit of the current layout was concluded
  GradientForecast gradients;
  double state_bytes_per_gradient_byte = 1;  ///< LogShipper::state_bytes_per_gradient_byte()
  std::uint64_t updates_sent = 0;
  std::uint64_t log_bytes = 0;     ///< bytes of gradients sent, ...
  std::uint64_t early_bytes = 0;   ///< ... and how many of these were sent before their entries
  std::uint64_t lag_bytes = 0;     ///< of entries that the target has not replayed yet, ...
  std::uint64_t unsent_bytes = 0;  ///< ... and how many of these were not sent yet
  bool holds_each_step = false;    ///< each step waits for its own entry
  double longest_wait_ms = 0;      ///< the longest wait of one step so far
  double waited_ms = 0;            ///< the sum of all waits so far
  std::uint64_t program_step = 0;
  double age_ms = 0;  ///< time since the replay began
};

/// What forecast_of() remembers from call to call.
struct ForecastHistory {
  BacklogTrend backlog;
  std::uint64_t first_step = 0;  ///< the first step in the log; 0: no entry was sent
  bool limit_was_judged = false;
};

/// A prediction of how a replay goes on, and the advice that follows from it.
struct ReplayForecast {
  /// What the engine is to do.
  enum class Advice : std::uint8_t {
    go_on,
    offer_freeze,
    go_by_rounds,  ///< a step would be delayed beyond the limit
    refuse         ///< the same, and only replay was requested
  };
  Advice advice = Advice::go_on;
  std::uint64_t freeze_bytes = 0;  ///< that a freeze would have to send now
  double stall_ms = 0;             ///< the longest delay of one step, past and predicted
  double lost_ms = 0;              ///< the sum of all delays, past and predicted
  std::string why;                 ///< the reason for go_by_rounds and refuse, for people
  std::string hint;                ///< for refuse: which limit would do, for people
};

/// Computes the forecast of a running replay.
///
/// A freeze is offered when everything is copied and audited, the log has caught up, and one more
/// step would not make the freeze shorter. With Strategy::automatic it is also offered as soon as
/// further copying costs the job more time than it saves. It is never offered if the job would
/// be parked beyond the limit. Whether the gradients of a step delay the next step beyond the limit
/// is judged once: when those of one whole step were seen, and before any step has waited. No
/// clock, no I/O: only `history` is remembered.
[[nodiscard]] ReplayForecast forecast_of(const ReplayFacts& facts, const MigrationSpec& spec,
                                         ForecastHistory& history);

/// The measurements of a running replay, for the planner.
[[nodiscard]] Measurements measurements_of(const ReplayFacts& facts);

/// When a replay freezes: base_is_whole if the user has requested the replay strategy, so that an
/// audit has checked the state; it_pays if the planner has chosen it.
[[nodiscard]] FreezeWhen freeze_when(Strategy strategy);

/// How long a step may wait for the log, in ms. The last step has to wait for the freeze as well,
/// so the expected freeze is subtracted from `max_stall_ms`, which must not be 0, and so are three
/// quarters of a step: a step is late by more than it waits. At least a quarter of `max_stall_ms`.
/// `measured` with dirty_bytes 0.
[[nodiscard]] double wait_max_ms(const Measurements& measured, double max_stall_ms);

}  // namespace cardswap
