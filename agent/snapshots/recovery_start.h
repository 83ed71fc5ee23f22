#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/snapshots/recovery_context.h"
#include "agent/snapshots/snapshot_choice.h"

/// Starts a job whose recovery is pending and whose copy has ended.
namespace cardswap::snapshots {

/// Sends the snapshot that was chosen to the job's program on `device`, under an epoch above all
/// that this host knows of the job. Returns once the program has completed a step. Throws why it
/// has not: then nothing of it steps, and the recovery is pending still, in the record of the
/// program where that had got the job; unless kRecoveryTriesMax starts came to nothing.
[[nodiscard]] asio::awaitable<void> start_from_snapshot(RecoveryContext context, std::string job_id,
                                                        SnapshotChoice choice, std::string device);
/// Starts the job's program at its first step. The recovery is pending until the program runs, so
/// that a start which fails is told, and one that an agent's end cuts short is made by the next.
/// Throws what JobProcesses::start_again() throws.
[[nodiscard]] asio::awaitable<void> start_anew(RecoveryContext context, std::string job_id,
                                               std::string device);
/// Settles a recovery whose program had got the job when a former agent ended: returns once the
/// program has completed a step, or the recovery is pending again.
[[nodiscard]] asio::awaitable<void> settle_arrival(RecoveryContext context, std::string job_id);

/// Counts the recovery of the job, whose program has completed a step, and tells of it. Does
/// nothing unless the program has just got the job (RecoveryState::arriving).
void conclude_recovery(const RecoveryContext& context, Job& job);
/// Gives a pending recovery up: the job stays as it is, and its record and an event say why.
void give_up_recovery(const RecoveryContext& context, Job& job, const Error& why);

}  // namespace cardswap::snapshots
