#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "agent/criu/host_match.h"
#include "agent/criu/tool.h"
#include "agent/process/process.h"

namespace cardswap::criu {

/// A job's processes before they are moved: why they cannot be, and what they need elsewhere.
struct TreeReport {
  std::vector<std::string> reasons;
  HostNeeds needs;
};

/// Looks at the tree below `root` as it is now, beside the agent: what the processes map and have
/// open may keep whoever looks waiting. `agent_socket`: the inode of this agent's end of the job's
/// connection. `gpus`: what a driver says of the same tree. Throws Error{timed_out} after 5 s.
[[nodiscard]] boost::asio::awaitable<TreeReport> examine(ProcessId root, std::filesystem::path log,
                                                         std::uint64_t agent_socket, Tool tool,
                                                         GpuFindings gpus);

}  // namespace cardswap::criu
