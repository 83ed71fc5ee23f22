#pragma once

#include <cstdint>
#include <string>

#include "migrator/store/refs.h"
#include "migrator/store/store.h"
#include "runtime/snapshot/snapshot_packing.h"

namespace cardswap {

/// The step to which a gradient log leads on from a snapshot.
struct LogEnd {
  std::uint64_t step = 0;  ///< 0: the log is not used
  std::string branch;      ///< of the log
};

/// Takes the place of the job's process at the agent (CARDSWAP_SOCKET and the other variables),
/// reads the snapshot of `manifest`, claims the job in that store, and sends the state to the
/// standby that gets the job: it is a source that stands at the snapshot's step and never steps.
/// The agent hears of the state's size before its bytes are read (Tracked), and of its step once
/// all of them are proven (Stepped); nothing is sent to a standby before. Blocks until the job was
/// moved. If the transfer fails, Failed is sent and it goes on waiting: the agent ends the process.
/// Throws as read_snapshot(), Error{conflict} as store::claim_epoch()
/// and store::take_over_run(), and Error if there is no agent, or if the agent refuses. Of `labels`
/// it takes run, epoch and host. With a `log` it sends the updates that lead on from there, too,
/// which the standby replays: it stands at that step, and what proves that the standby does is the
/// state digest that the job had there. Throws as LogFeed then. A store that it cannot write is no
/// reason not to go on: standard error says so.
void send_snapshot(store::Store& from, const store::ObjectId& manifest,
                   const SnapshotLabels& labels, const LogEnd& log = {});

}  // namespace cardswap
