#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/criu/criu_program.h"
#include "agent/criu/facts/gpu_findings.h"
#include "agent/criu/host_match.h"
#include "agent/process/process.h"

namespace cardswap::criu {

/// The result of examine().
struct TreeReport {
  std::vector<std::string> reasons;  ///< why the tree cannot move; empty: it can
  HostNeeds needs;                   ///< what it needs at its target
};

/// Examines the process tree below `root` as it is now, in a child process: reading files and
/// memory of other processes may block. `agent_socket`: the inode of this agent's end of the job's
/// connection. `gpus`: the driver's findings about the same tree. Throws Error{timed_out} after 5
/// s, and Error{io, internal} as run_in_child() does.
[[nodiscard]] boost::asio::awaitable<TreeReport> examine(ProcessId root, std::filesystem::path log,
                                                         std::uint64_t agent_socket,
                                                         CriuProgram tool, GpuFindings gpus);

}  // namespace cardswap::criu
