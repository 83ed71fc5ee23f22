#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/snapshots/recovery_context.h"
#include "agent/snapshots/snapshot_choice.h"
#include "agent/snapshots/snapshot_search.h"

namespace cardswap::snapshots {

/// Finds the snapshot from which a job whose recovery is pending goes on, in the stores that its
/// record names. A store that is away is asked again, kRecoveryTriesMax times in all. A job of
/// which no snapshot is known has none: what is under its name is of another run. Throws as
/// pending_job() and find_snapshot_to_go_on().
[[nodiscard]] asio::awaitable<SnapshotChoice> find_snapshot_of(RecoveryContext context,
                                                               std::string job_id,
                                                               SearchDepth depth);

}  // namespace cardswap::snapshots
