#pragma once

#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap {

/// Reads the snapshot of `manifest`, takes the place of the job's process at the agent
/// (CARDSWAP_SOCKET and the other variables), and sends the state to the standby that gets the job:
/// it is a source that stands at the snapshot's step and never steps. Blocks until the job was
/// moved. If the transfer fails, Failed is sent and it goes on waiting: the agent ends the process.
/// Throws as read_snapshot(), and Error if there is no agent, or if the agent refuses.
void send_snapshot(store::Store& from, const store::ObjectId& manifest);

}  // namespace cardswap
