#pragma once

#include "migrator/store/refs.h"
#include "migrator/store/store.h"
#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// Reads the snapshot of `manifest`, claims the job in that store, takes the place of the job's
/// process at the agent (CARDSWAP_SOCKET and the other variables), and sends the state to the
/// standby that gets the job: it is a source that stands at the snapshot's step and never steps.
/// Blocks until the job was moved. If the transfer fails, Failed is sent and it goes on waiting:
/// the agent ends the process. Throws as read_snapshot(), Error{conflict} as store::claim_epoch()
/// and store::take_over_run(), and Error if there is no agent, or if the agent refuses. Of `labels`
/// it takes run, epoch and host. A store that it cannot write is no reason not to go on: standard
/// error says so.
void send_snapshot(store::Store& from, const store::ObjectId& manifest,
                   const SnapshotLabels& labels);

}  // namespace cardswap
