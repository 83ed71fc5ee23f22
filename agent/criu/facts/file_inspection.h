#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <vector>

#include "agent/criu/facts/files_here.h"
#include "agent/process/job_user.h"

namespace cardswap::criu {

/// Runs inspect_file() for each of `files`, in a child process with the rights of `user` (nullopt:
/// the agent's user). Returns one result for each file, in their order. Throws Error{timed_out}
/// after 5 s, Error{refused} when the child cannot become that user, and Error{io, internal} as
/// run_in_child() does.
[[nodiscard]] boost::asio::awaitable<std::vector<FileHere>> inspect_files_as(
    std::optional<JobUser> user, std::vector<NeededFile> files);

}  // namespace cardswap::criu
