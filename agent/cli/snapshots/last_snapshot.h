#pragma once

#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Takes a snapshot of a job that is about to be stopped, and returns once it is in the store: that
/// at `store`, or, if that is empty, the one of its protection. Says on stderr how to start the job
/// again. While the job moves or another snapshot of it is written it waits for that as
/// begin_snapshot() does; it handles signals as await_result() does, and the command that calls it
/// is one that handles them itself. Throws Error{bad_request} if no store is known, the snapshot's
/// own error, Error{cancelled} after a signal, also one that came too late to cancel it, and as
/// begin_snapshot() and Client::call(); the job trains on then.
void keep_last_state(const Context& context, const std::string& job, const std::string& store);

}  // namespace cardswap::cli
