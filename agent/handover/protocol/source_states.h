#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// The states of a migration at its source, and what holds in each whatever led to it.
namespace cardswap::handover {

/// The state of a migration at its source.
enum class SourceState : std::uint8_t {
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
constexpr SourceState last_of(SourceState) { return SourceState::stored; }
inline constexpr std::size_t kSourceStates = kCountOf<SourceState>;

/// What holds of a migration in a state.
struct SourceStateTraits {
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
constexpr SourceStateTraits traits_of(SourceState state) {
  switch (state) {
    case SourceState::planned:
    case SourceState::preparing:
    case SourceState::standby_ready:
    case SourceState::converged: return {.may_cancel = true};
    case SourceState::syncing: return {.may_cancel = true, .awaits_freeze = true};
    case SourceState::freezing:
      return {.may_cancel = true, .is_handing_over = true, .awaits_freeze = true};
    case SourceState::verifying: return {.may_cancel = true, .is_handing_over = true};
    case SourceState::committed: return {.is_committed = true, .is_handing_over = true};
    case SourceState::resumed:
    case SourceState::in_doubt: return {.is_committed = true};
    case SourceState::completed: return {.is_committed = true, .is_over = true};
    case SourceState::aborting: return {.is_given_up = true};
    case SourceState::aborted: return {.is_over = true, .is_given_up = true};
    case SourceState::superseded: return {.is_over = true};
    case SourceState::captured: return {.is_captured = true, .may_cancel = true};
    case SourceState::stored: return {.is_over = true, .is_captured = true};
  }
  return {};
}

/// Whether the decision is made: the job is the target's.
constexpr bool is_committed(SourceState state) { return traits_of(state).is_committed; }
/// Whether it has ended. `superseded` counts: no event follows, though its process may still live.
constexpr bool is_over(SourceState state) { return traits_of(state).is_over; }
/// Whether the keeper holds the state and the trainer was released: the snapshot needs the trainer
/// no more.
constexpr bool is_captured(SourceState state) { return traits_of(state).is_captured; }
/// Whether the job is the source's again, under an epoch of its own.
constexpr bool is_given_up(SourceState state) { return traits_of(state).is_given_up; }
/// Whether it may be given up because somebody asks for that: nothing is decided, and it is not
/// ending. These are the states in which it can fail.
constexpr bool may_cancel(SourceState state) { return traits_of(state).may_cancel; }
/// Whether the trainer is frozen or about to be, and the target has not gone on with the job: what
/// else this agent is asked for waits meanwhile.
constexpr bool is_handing_over(SourceState state) { return traits_of(state).is_handing_over; }
/// Whether the trainer decides when it freezes, and still may put that off.
constexpr bool awaits_freeze(SourceState state) { return traits_of(state).awaits_freeze; }

[[nodiscard]] std::string_view to_string(SourceState state);

}  // namespace cardswap::handover
