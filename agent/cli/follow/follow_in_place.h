#pragma once

#include <filesystem>
#include <string>

#include "agent/cli/exit_codes.h"
#include "agent/cli/follow/told_end.h"

namespace cardswap::cli {

/// Keeps the place of a rank that has left this process: waits for its end wherever it is, passes
/// the launcher's signals on to it, and ends as it ends. Asks the agent over its socket for
/// runtimes, which knows this process as one of the job's. Asks on while the agent is away. Throws
/// Error{unauthorized} if the agent knows no such job.
[[nodiscard]] Exit follow_in_place(const FollowedJob& followed, const std::filesystem::path& socket,
                                   const std::string& token);

}  // namespace cardswap::cli
