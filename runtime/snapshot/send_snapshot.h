#pragma once

#include "migrator/store/refs.h"
#include "migrator/store/store.h"
#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// Takes the place of the job's process at the agent (CARDSWAP_SOCKET and the other variables),
/// reads the snapshot of `manifest`, claims the job in that store, and sends the state to the
/// standby that gets the job: it is a source that stands at the snapshot's step and never steps.
/// The agent hears of the state's size before its bytes are read (Tracked), and of its step once
/// all of them are proven (Stepped); nothing is sent to a standby before. Blocks until the job was
/// moved. If the transfer fails, Failed is sent and it goes on waiting: the agent ends the process.
/// Throws as read_snapshot(), Error{conflict} as store::claim_epoch()
/// and store::take_over_run(), and Error if there is no agent, or if the agent refuses. Of `labels`
/// it takes run, epoch and host. A store that it cannot write is no reason not to go on: standard
/// error says so.
void send_snapshot(store::Store& from, const store::ObjectId& manifest,
                   const SnapshotLabels& labels);

}  // namespace cardswap
