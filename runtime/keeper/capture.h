#pragma once

#include "migrator/store/store.h"
#include "runtime/keeper/snapshot_packing.h"

namespace cardswap {

/// Stands in a standby's place at its agent (CARDSWAP_SOCKET and the rest), takes in the state that
/// the job's process sends, and writes it to `into` once that process is let go. `labels` says all
/// but the job and the writer. Returns the exit status. Throws Error when there is no agent or it
/// refuses.
int capture_to(store::Store& into, SnapshotLabels labels);

}  // namespace cardswap
