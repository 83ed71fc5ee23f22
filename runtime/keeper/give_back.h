#pragma once

#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap {

/// Stands at its agent for a job's process whose state is in a store, and gives that to the
/// standby that takes the job over: it speaks as a source that stands at the snapshot's step, and
/// never steps. Returns the exit status once the job is elsewhere, or its agent is gone. Throws
/// Error: no agent, a snapshot that is not whole.
int give_back(store::Store& from, const store::ObjectId& manifest);

}  // namespace cardswap
