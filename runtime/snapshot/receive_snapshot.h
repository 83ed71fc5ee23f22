#pragma once

#include <string>

#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// Takes the place of a standby at the target's agent (CARDSWAP_SOCKET and the other variables),
/// opens the store at `address` or creates it, receives a job's state, and publishes it in the
/// store when the source's link has ended after both sides verified the state: normally because the
/// job's process was released, but also if that process ended. Blocks until then. `labels` has all
/// but the job and the writer. Returns the exit status: 0 if the snapshot is published, 1 if the
/// agent was told why it is not. Throws Error if there is no agent, or if the agent refuses.
int receive_snapshot(const std::string& address, SnapshotLabels labels);

}  // namespace cardswap
