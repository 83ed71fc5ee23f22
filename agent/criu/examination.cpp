#include "agent/criu/examination.h"

#include <fmt/format.h>

#include "agent/criu/unix_peers.h"
#include "agent/process/process_tree.h"

namespace cardswap::criu {
namespace {

/// Which of the tree's unix sockets lead to the agent, and which to somebody else.
void sort_unix_sockets(TreeFacts& tree, std::uint64_t agent_socket) {
  const auto peers = unix_peers();
  std::set<std::uint64_t> own;
  for (const auto& process : tree.processes) {
    for (const auto& thing : process.open) {
      if (const auto inode = inode_of(thing.target, "socket"); inode != 0) own.insert(inode);
    }
  }
  for (const auto inode : own) {
    const auto peer = peers.find(inode);
    if (peer == peers.end()) continue;
    if (peer->second == agent_socket) {
      tree.our_sockets.insert(inode);
    } else if (!own.contains(peer->second)) {
      tree.unix_to_outside.insert(inode);
    }
  }
}

}  // namespace

Examined examine(const ProcessId& root, const std::filesystem::path& log,
                 std::uint64_t agent_socket, const Tool& tool, const GpuFindings& gpus) {
  Examined examined;
  if (!tool.usable()) examined.reasons.push_back(tool.problem);
  auto tree = read_tree("/proc", tree_of(root), log);
  sort_unix_sockets(tree, agent_socket);
  for (auto& reason : reasons_to_stay(tree, gpus, tool.network_fault)) {
    examined.reasons.push_back(std::move(reason));
  }
  examined.needs = needs_of(tree);
  return examined;
}

}  // namespace cardswap::criu
