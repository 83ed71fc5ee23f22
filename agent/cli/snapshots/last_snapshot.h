#pragma once

#include <string>

#include "agent/cli/command_context.h"

namespace cardswap::cli {

/// Takes a snapshot of a job that is about to be stopped, and returns once it is in the store: that
/// at `store`, or, if that is empty, the one of its protection. Says on stderr how to start the job
/// again. A snapshot of the job that is under way is waited for, for two minutes. Throws
/// Error{bad_request} if no store is known, the snapshot's own error, and what Client::call()
/// throws; the job trains on then.
void keep_last_state(const Context& context, const std::string& job, const std::string& store);

}  // namespace cardswap::cli
