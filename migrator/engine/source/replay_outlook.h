#pragma once

#include <cstdint>
#include <string>

#include "migrator/engine/source/falling_rest.h"
#include "migrator/engine/source/gradient_forecast.h"
#include "migrator/engine/update.h"
#include "migrator/plan/measurements.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/replay_course.h"

namespace cardswap {

/// What a replay has come to, as its parts know it.
struct ReplayFacts {
  Measurements measured;  ///< link, step and agents; dirty_bytes: that differed at the latest audit
  ReplaySizes sizes;
  std::uint64_t bytes_to_copy = 0;  ///< that the base copy lacks
  bool is_audited = false;          ///< since the layout is as it is
  GradientForecast gradients;
  double state_bytes_per_gradient_byte = 1;  ///< bytes of state that take the link as long as one of gradients
  std::uint64_t updates_sent = 0;
  std::uint64_t log_bytes = 0;    ///< gradients sent, ...
  std::uint64_t early_bytes = 0;  ///< ... and those of them that went ahead of their entries
  std::uint64_t lag_bytes = 0;    ///< of entries that the target has not replayed yet
  bool holds_each = false;        ///< each step waits for its own entry
  double longest_wait_ms = 0;     ///< that one step had so far
  double waited_ms = 0;           ///< all that steps had
  std::uint64_t program_step = 0;
  double age_ms = 0;  ///< since the replay was begun
};

/// What a look at a replay leaves for the next one.
struct EarlierLooks {
  FallingRest rest;
  std::uint64_t first_step = 0;  ///< that the log has; 0: none was sent
  bool limit_was_judged = false;
};

/// A prediction of how a replay goes on, and advice that follows from it.
struct ReplayOutlook {
  /// What is to be done.
  enum class Advice : std::uint8_t {
    go_on,
    offer_freeze,
    go_by_rounds,  ///< a step would be kept for longer than is allowed
    refuse         ///< the same, where nothing but replay was asked for
  };
  Advice advice = Advice::go_on;
  std::uint64_t freeze_bytes = 0;  ///< that a freeze would have to send now
  double stall_ms = 0;             ///< the longest that one step is late, what was included
  double lost_ms = 0;              ///< all lateness, what was included
  std::string why;                 ///< of the latter two, for people
  std::string hint;                ///< what would do, where it is refused
};

/// Looks at a replay that is under way. A freeze is offered once all was copied and audited, the
/// log has caught up and one more step would not make it shorter; or, where the strategy was
/// chosen, as soon as copying on makes the job lose more than that spares the freeze. Never where
/// the stand is beyond the limit. That the gradients of a step keep the next one within the limit
/// is judged once, when a whole step's were seen and before any step has waited. Pure: `looks` is
/// all that is remembered.
[[nodiscard]] ReplayOutlook outlook_of(const ReplayFacts& facts, const MigrationSpec& spec,
                                       EarlierLooks& looks);

/// What the planner is told of the replay.
[[nodiscard]] Measurements measurements_of(const ReplayFacts& facts);

/// Asked for by name a replay is to end in a state that was audited; chosen, in the least lost
/// time.
[[nodiscard]] FreezeWhen freeze_when(Strategy strategy);

/// How long a step may wait for the log: if it is the last one, it waits for the freeze as well.
/// `measured` has nothing to send; `max_stall_ms` is a limit.
[[nodiscard]] double wait_max_ms(const Measurements& measured, double max_stall_ms);

}  // namespace cardswap
