#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// The states of a migration at its source, and what holds in each whatever led to it.
namespace cardswap::handover {

/// The state of a migration at its source.
enum class State : std::uint8_t {
  planned,
  preparing,
  standby_ready,
  syncing,
  converged,
  freezing,
  verifying,
  committed,
  resumed,
  completed,
  aborting,
  aborted,
  in_doubt,
  superseded,  ///< given up here, but the target steps under a higher epoch: an operator forced it
  captured,    ///< a snapshot: the keeper holds the whole state, and the trainer goes on
  stored,      ///< a snapshot: the keeper has published it in its store
};
constexpr State last_of(State) { return State::stored; }
inline constexpr std::size_t kStates = kCountOf<State>;

/// What holds of a migration in a state.
struct StateTraits {
  bool is_committed = false;
  bool is_over = false;
  bool is_captured = false;
  bool is_given_up = false;
  bool may_cancel = false;
  bool is_handing_over = false;
  bool awaits_freeze = false;
};
/// The switch has no default: a new state does not compile before somebody has decided what holds
/// in it.
constexpr StateTraits traits_of(State state) {
  switch (state) {
    case State::planned:
    case State::preparing:
    case State::standby_ready:
    case State::converged: return {.may_cancel = true};
    case State::syncing: return {.may_cancel = true, .awaits_freeze = true};
    case State::freezing:
      return {.may_cancel = true, .is_handing_over = true, .awaits_freeze = true};
    case State::verifying: return {.may_cancel = true, .is_handing_over = true};
    case State::committed: return {.is_committed = true, .is_handing_over = true};
    case State::resumed:
    case State::in_doubt: return {.is_committed = true};
    case State::completed: return {.is_committed = true, .is_over = true};
    case State::aborting: return {.is_given_up = true};
    case State::aborted: return {.is_over = true, .is_given_up = true};
    case State::superseded: return {.is_over = true};
    case State::captured: return {.is_captured = true, .may_cancel = true};
    case State::stored: return {.is_over = true, .is_captured = true};
  }
  return {};
}

/// Whether the decision is made: the job is the target's.
constexpr bool is_committed(State state) { return traits_of(state).is_committed; }
/// Whether it has ended. `superseded` counts: no event follows, though its process may still live.
constexpr bool is_over(State state) { return traits_of(state).is_over; }
/// Whether the keeper holds the state and the trainer was released: the snapshot needs the trainer
/// no more.
constexpr bool is_captured(State state) { return traits_of(state).is_captured; }
/// Whether the job is the source's again, under an epoch of its own.
constexpr bool is_given_up(State state) { return traits_of(state).is_given_up; }
/// Whether it may be given up because somebody asks for that: nothing is decided, and it is not
/// ending. These are the states in which it can fail.
constexpr bool may_cancel(State state) { return traits_of(state).may_cancel; }
/// Whether the trainer is frozen or about to be, and the target has not gone on with the job: what
/// else this agent is asked for waits meanwhile.
constexpr bool is_handing_over(State state) { return traits_of(state).is_handing_over; }
/// Whether the trainer decides when it freezes, and still may put that off.
constexpr bool awaits_freeze(State state) { return traits_of(state).awaits_freeze; }

[[nodiscard]] std::string_view to_string(State state);

}  // namespace cardswap::handover
