#pragma once

#include "agent/cli/command_context.h"
#include "agent/cli/follow/told_end.h"

namespace cardswap::cli {

/// Waits for the end of a job, or of a rank of it, that began on the agent's host, wherever it is
/// by then; passes signals on to it, and ends as it ends. Asks on while the agent is away. Throws
/// Error if the first question is refused. `prints_log`: what the job prints on the agent's host
/// goes to stdout; what it prints elsewhere does not.
[[nodiscard]] Exit follow_by_api(const Context& context, const FollowedJob& followed,
                                 bool prints_log = false);

}  // namespace cardswap::cli
