#pragma once

#include <string>

#include "agent/snapshots/recovery_context.h"
#include "agent/snapshots/snapshot_choice.h"

/// What operators are told of a recovery, in the log and as events.
namespace cardswap::snapshots {

/// Tells `text` of the job, as an event of that kind.
void tell(const RecoveryContext& context, const std::string& kind, const Job& job,
          const std::string& text);
/// Tells that the recovery begins.
void tell_recovering(const RecoveryContext& context, const Job& job);
/// Tells that process `pid` of the copy has been killed and does not end.
void tell_waits(const RecoveryContext& context, const Job& job, pid_t pid);
/// Tells from which snapshot the job has gone on, and what is lost.
void tell_recovered(const RecoveryContext& context, const Job& job);
/// Tells that the job begins at its first step.
void tell_begun_anew(const RecoveryContext& context, const Job& job);
/// Tells that the recovery has failed, by the error that its notes have.
void tell_failed(const RecoveryContext& context, const Job& job);

/// What an operator can do about a recovery that has failed.
[[nodiscard]] std::string what_to_do(const Job& job);
/// No snapshot that was found can be used.
[[nodiscard]] Error no_usable_snapshot(const Job& job, const SnapshotChoice& choice);
/// No device of this host takes the job; its hint names the way to another host.
[[nodiscard]] Error no_usable_device(const Job& job, const std::string& why, const Config& config);

}  // namespace cardswap::snapshots
