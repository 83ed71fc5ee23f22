#pragma once

#include <cstdint>
#include <string_view>

#include "migrator/base/named.h"

/// The states of a migration at its target, and what holds in each whatever led to it.
namespace cardswap::handover {

/// The state of a migration at its target: of a reservation.
enum class TargetState : std::uint8_t {
  nothing,  ///< this agent knows nothing of the migration
  reserved,
  starting,
  parked,
  verified,  ///< the standby holds the whole state; asks for the decision when the source is silent
  granted,   ///< this host owns the job
  resumed,
  completed,
  stopping,    ///< it had the grant and is being killed; it may still step
  failed,      ///< final: no process steps here, and none will for this migration
  superseded,  ///< it owned the job, which now steps elsewhere under a higher epoch; halted for
               ///< good
  stored,      ///< a snapshot: the keeper has published it in its store
};
constexpr TargetState last_of(TargetState) { return TargetState::stored; }
inline constexpr std::size_t kTargetStates = kCountOf<TargetState>;

/// What holds of a reservation in a state.
struct TargetStateTraits {
  bool is_granted = false;
  bool is_over = false;
  bool is_undecided = false;
  bool may_cancel = false;
  bool is_handing_over = false;
};
/// The switch has no default: a new state does not compile before somebody has decided what holds
/// in it.
constexpr TargetStateTraits traits_of(TargetState state) {
  switch (state) {
    case TargetState::nothing:
    case TargetState::stopping:
    case TargetState::superseded: return {};
    case TargetState::reserved:
    case TargetState::starting:
    case TargetState::parked: return {.is_undecided = true, .may_cancel = true};
    case TargetState::verified: return {.is_undecided = true, .is_handing_over = true};
    case TargetState::granted: return {.is_granted = true, .is_handing_over = true};
    case TargetState::resumed: return {.is_granted = true};
    case TargetState::completed: return {.is_granted = true, .is_over = true};
    case TargetState::failed:
    case TargetState::stored: return {.is_over = true};
  }
  return {};
}

/// Whether this host owns the job.
constexpr bool is_granted(TargetState state) { return traits_of(state).is_granted; }
/// Whether the job has arrived for good, or its snapshot is in the store, or no process of it is
/// here. `superseded` does not count: its process may still live, and `failed` follows.
constexpr bool is_over(TargetState state) { return traits_of(state).is_over; }
/// Whether the device is held for a job that is not granted to this host: the source decides.
constexpr bool is_undecided(TargetState state) { return traits_of(state).is_undecided; }
/// Whether an operator of this host may cancel it: the source cannot have committed, because the
/// standby does not hold the whole state yet.
constexpr bool may_cancel(TargetState state) { return traits_of(state).may_cancel; }
/// Whether the job is frozen at its source, and has not taken its first step here: what else this
/// agent is asked for waits meanwhile.
constexpr bool is_handing_over(TargetState state) { return traits_of(state).is_handing_over; }

[[nodiscard]] std::string_view to_string(TargetState state);

}  // namespace cardswap::handover
