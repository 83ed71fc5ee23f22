#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/criu/host_match.h"
#include "agent/criu/tool.h"
#include "agent/process/process.h"

namespace cardswap::criu {

/// A job's processes before they are moved: why they cannot be, and what they need elsewhere.
struct Examined {
  std::vector<std::string> reasons;
  HostNeeds needs;
};

/// Looks at the tree below `root` as it is now. `agent_socket`: the inode of this agent's end of
/// the job's connection. `gpus`: what a driver says of the same tree.
[[nodiscard]] Examined examine(const ProcessId& root, const std::filesystem::path& log,
                               std::uint64_t agent_socket, const Tool& tool,
                               const GpuFindings& gpus);

}  // namespace cardswap::criu
