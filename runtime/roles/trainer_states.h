#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// The states, events and actions of a trainer in a migration.
namespace cardswap {

/// Where a trainer is in its migration.
enum class TrainerState : std::uint8_t {
  training,    ///< it is the job and in no migration
  preparing,   ///< a migration was requested; its engine begins at one of the next boundaries
  syncing,     ///< the engine sends while the job trains
  freezing,    ///< a freeze was requested: it is parked or will be; the engine has not confirmed it
  put_off,     ///< it trains: the freeze would have been too long; the engine offers the next one
  rehearsing,  ///< it takes one step that its standby takes too, and is then parked
  frozen,      ///< it is parked, and its agent was told so
  verified,    ///< both sides hold the same bytes
  copied,      ///< a snapshot's: it trains on, and a copy of what it was is sent and compared
  start_failed,   ///< the engine never began; the job trains and waits for its release
  depart_failed,  ///< parked without an engine: it could not depart, and waits for its release
  departing,      ///< its memory is being given to its custodian
  departed,       ///< the custodian has its memory: it may be dumped at any moment
  lost,           ///< its memory is gone: this process takes no step any more
  standby,        ///< it is parked, or will be after its warm-up, and does not hold the whole state
  standby_rehearsing,  ///< a standby that takes its source's next step, which does not count
  standby_verified,    ///< a standby, or a restored process, that holds the whole state
  granting,            ///< it takes the grant; its engine ends
  granted,             ///< it is the job; the loop is about to go on
  first_step,          ///< its first step as the job is under way
  first_step_done,     ///< it is parked after its first step until the agent has recorded that step
  retired,             ///< the job is in another process, for good
};
constexpr TrainerState last_of(TrainerState) { return TrainerState::retired; }
inline constexpr std::size_t kTrainerStates = kCountOf<TrainerState>;

/// What happens to a trainer. The agent's events come first: kAgentEvents counts them.
enum class TrainerEvent : std::uint8_t {
  // from its agent
  begin_sync,
  freeze,
  release,
  retire,
  grant_fits,
  grant_of_another_state,  ///< a grant for a state that it does not hold
  depart,
  depart_refused,  ///< a Depart that came too early, or in a migration to a standby
  arrived,
  // from its engine
  freeze_offered,
  freeze_put_off,  ///< only before the agent was told that it is frozen
  freeze_holds,
  state_copied,   ///< a snapshot's: what the keeper lacks of the frozen state is copied
  rehearsal_due,  ///< both sides hold the state of the same step, and must take the next step
  digests_equal,
  state_verified,
  // from its own threads
  stands_by,  ///< the agent welcomed it as a standby
  engine_began,
  engine_did_not_begin,
  resumed,
  stepped,    ///< its first step as the job is done
  rehearsed,  ///< it is parked after the rehearsed step
  // results of actions
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
/// How many events come from the agent: the first ones.
inline constexpr std::size_t kAgentEvents = static_cast<std::size_t>(TrainerEvent::arrived) + 1;

/// What is done after an event.
enum class TrainerAction : std::uint8_t {
  none,
  watch,           ///< call on_boundary at each boundary from the next one on
  park,            ///< park at the next boundary
  unpark,          ///< go on from the boundary at which it is parked
  step_once,       ///< go on from that boundary, and park at the next one
  end_migration,   ///< end the engine, let the job go on, send Released
  answer,          ///< send Released, and do nothing else
  report,          ///< tell the agent of the event
  refuse,          ///< send Failed: why a message cannot be obeyed, or an action has failed
  report_lost,     ///< send Failed{lost}
  retire,          ///< end the loop: the boundary returns `moved`
  depart,          ///< ends in memory_given, memory_kept or memory_lost
  recall,          ///< ends in memory_recalled, or stays as it is
  arrive,          ///< ends in memory_arrived, or stays as it is
  take_grant,      ///< ends in grant_taken or grant_not_taken
  run_first_step,  ///< let the granted loop go on, and watch its boundaries
  stop_watching,   ///< after the first step: its boundaries are watched no more
};

/// One line of the trainer's table: in state `from`, event `on` leads to state `to` and action
/// `then`.
struct TrainerRule {
  TrainerState from;
  TrainerEvent on;
  TrainerState to;
  TrainerAction then;
};

/// The enumerator's name.
[[nodiscard]] std::string_view to_string(TrainerState state);
[[nodiscard]] std::string_view to_string(TrainerEvent event);

}  // namespace cardswap
