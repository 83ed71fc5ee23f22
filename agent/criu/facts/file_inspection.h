#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "agent/criu/facts/files_here.h"
#include "agent/process/job_user.h"

namespace cardswap::criu {

/// Looks at `files` beside the agent, as `user` (none: the agent's own), in their order. Throws
/// Error{timed_out} when a file system keeps it for 5 s, Error{refused} when this process cannot
/// become that user.
[[nodiscard]] boost::asio::awaitable<std::vector<FileHere>> inspect_files_as(
    std::optional<JobUser> user, std::vector<NeededFile> files);

}  // namespace cardswap::criu
