#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// What a trainer in a migration may be in, hear and be asked to do.
namespace cardswap {

/// Where a trainer is in its migration.
enum class TrainerState : std::uint8_t {
  training,    ///< the job's process, in no migration
  preparing,   ///< a migration is asked for; its engine begins at one of the next boundaries
  syncing,     ///< the engine sends while the job trains
  freezing,    ///< a freeze is asked for: it stands, or will, and its engine has not said it holds
  put_off,     ///< it goes on: the freeze would have been too long; its engine offers the next one
  rehearsing,  ///< it takes one step that its standby takes too, and stands behind it
  frozen,      ///< it stands and its agent knows
  verified,    ///< every byte is the same on both sides
  start_failed,   ///< the engine never began; the job trains and waits for its release
  depart_failed,  ///< it stands without an engine: it could not depart, and waits for its release
  departing,      ///< its memory is being given to its keeper
  departed,       ///< it may be dumped at any moment
  lost,           ///< its memory is gone: this process takes no step any more
  standby,        ///< it stands, or will when it has warmed up, and holds no whole state
  standby_rehearsing,  ///< a standby that takes its source's next step, as in its warm-up; none of
                       ///< the job's
  standby_verified,    ///< a standby, or a process that was restored, with a whole state
  granting,            ///< it takes the grant; its engine ends
  granted,             ///< the job is its own; the loop is about to go on
  first_step,          ///< its first own step is under way
  first_step_done,     ///< it stands behind its first step until the agent has recorded that
  retired,             ///< the job is elsewhere: for good
};
constexpr TrainerState last_of(TrainerState) { return TrainerState::retired; }
inline constexpr std::size_t kTrainerStates = kCountOf<TrainerState>;

/// What happens to a trainer.
enum class TrainerEvent : std::uint8_t {
  // its agent's
  begin_sync,
  freeze,
  release,
  retire,
  grant_fits,
  grant_of_another_state,  ///< than it holds
  depart,
  depart_refused,  ///< a word to depart that came too early, or in a migration to a standby
  arrived,
  // its engine's
  freeze_offered,
  freeze_put_off,  ///< before the agent was told that it is frozen
  freeze_holds,
  rehearsal_due,  ///< both sides hold the state of one step, and are to take the next one
  digests_equal,
  state_verified,
  // its own thread's
  stands_by,  ///< the agent welcomed it as a standby
  engine_began,
  engine_did_not_begin,
  resumed,
  stepped,    ///< its first own step is done
  rehearsed,  ///< it stands behind the step that was rehearsed
  // what became of an action
  memory_given,
  memory_kept,
  memory_lost,
  memory_recalled,
  memory_arrived,
  grant_taken,
  grant_not_taken,
};
constexpr TrainerEvent last_of(TrainerEvent) { return TrainerEvent::grant_not_taken; }
inline constexpr std::size_t kTrainerEvents = kCountOf<TrainerEvent>;
/// How many events are an agent's words: the first ones are.
inline constexpr std::size_t kAgentEvents = static_cast<std::size_t>(TrainerEvent::arrived) + 1;

/// What a trainer does about it.
enum class TrainerAction : std::uint8_t {
  none,
  watch,           ///< at boundaries, from the next one on
  park,            ///< at the next boundary
  unpark,          ///< from the boundary at which it stands
  step_once,       ///< from that one to the next
  end_migration,   ///< the engine ends and the job goes on; answered by Released
  answer,          ///< Released, and nothing else is done
  report,          ///< to the agent, what the word says
  refuse,          ///< Failed, with what is wrong with the word
  mark_lost,       ///< Failed{lost}
  retire,          ///< the loop ends
  depart,          ///< ends in memory_given, memory_kept or memory_lost
  recall,          ///< ends in memory_recalled, or stays as it is
  arrive,          ///< ends in memory_arrived, or stays as it is
  take_grant,      ///< ends in grant_taken or grant_not_taken
  run_first_step,  ///< the granted loop goes on, and its boundaries are looked at
  stop_watching,   ///< behind the first step; nobody looks at its boundaries any more
};

/// One line of the trainer's table.
struct TrainerRule {
  TrainerState from;
  TrainerEvent on;
  TrainerState to;
  TrainerAction then;
};

[[nodiscard]] std::string_view to_string(TrainerState state);
[[nodiscard]] std::string_view to_string(TrainerEvent event);

}  // namespace cardswap
