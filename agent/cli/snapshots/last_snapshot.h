#pragma once

#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Takes a snapshot of a job that is about to be stopped, and returns once it is in the store: that
/// at `store`, or, if that is empty, the one of its protection. Says on stderr how to start the job
/// again. While the agent refuses it with Error{conflict}, because of another snapshot or a move of
/// the job, or because the job does not run, it asks again, for two minutes, and says nothing
/// meanwhile. Looks at no signal. Throws Error{conflict} after that, Error{bad_request} if no store
/// is known, the snapshot's own error, and what Client::call() throws; the job trains on then.
void keep_last_state(const Context& context, const std::string& job, const std::string& store);

}  // namespace cardswap::cli
