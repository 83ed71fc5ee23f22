#pragma once

#include <string>

#include "runtime/keeper/snapshot_packing.h"

namespace cardswap {

/// Stands in a standby's place at its agent (CARDSWAP_SOCKET and the rest), opens the store at
/// `address` or makes it, takes in the state that the job's process sends, and writes it there once
/// that process is let go. `labels` says all but the job and the writer. Returns the exit status:
/// what went wrong the agent was told. Throws Error when there is no agent or it refuses.
int capture_to(const std::string& address, SnapshotLabels labels);

}  // namespace cardswap
