#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <optional>
#include <vector>

#include "agent/criu/files_here.h"
#include "agent/process/user.h"

namespace cardswap::criu {

/// Looks at `files` in a process of `user` (none: the agent's own), in their order. `dir` is for
/// what it prints. Throws Error{timed_out} when a file system keeps it for 5 s; the process is
/// ended, as soon as that lets it go. Throws Error as start_process() does.
[[nodiscard]] boost::asio::awaitable<std::vector<FileHere>> look_at_files_as(
    std::optional<JobUser> user, std::vector<NeededFile> files, std::filesystem::path dir);

}  // namespace cardswap::criu
