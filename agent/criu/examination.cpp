#include "agent/criu/examination.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/criu/facts/preflight.h"
#include "agent/criu/facts/unix_peers.h"
#include "agent/process/process_tree.h"
#include "agent/process/run_in_child.h"
#include "migrator/base/utf8.h"

namespace cardswap::criu {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::chrono::seconds kExaminationMax{5};

/// Sorts the tree's connected unix sockets: to the agent, or to a process outside of the tree.
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

TreeReport examine_tree(const ProcessId& root, const std::filesystem::path& log,
                        std::uint64_t agent_socket, const CriuProgram& tool,
                        const GpuFindings& gpus) {
  TreeReport examined;
  if (!tool.is_usable()) examined.reasons.push_back(tool.problem);
  auto tree = read_tree("/proc", tree_of(root), log);
  sort_unix_sockets(tree, agent_socket);
  for (auto& reason : reasons_to_stay(tree, gpus, tool.network_fault)) {
    examined.reasons.push_back(std::move(reason));
  }
  examined.needs = needs_of(tree);
  return examined;
}

std::string serialize(const TreeReport& examined) {
  json::array reasons;
  for (const auto& reason : examined.reasons) reasons.emplace_back(as_utf8(reason));
  return json::serialize(
      json::object{{"reasons", std::move(reasons)}, {"needs", to_json(examined.needs)}});
}

TreeReport examined_in(const std::string& text) {
  const auto document = json::parse(text).as_object();
  TreeReport examined;
  for (const auto& reason : document.at("reasons").as_array()) {
    examined.reasons.emplace_back(reason.as_string());
  }
  examined.needs = needs_from_json(document.at("needs").as_object());
  return examined;
}

}  // namespace

asio::awaitable<TreeReport> examine(ProcessId root, std::filesystem::path log,
                                    std::uint64_t agent_socket, CriuProgram tool,
                                    GpuFindings gpus) {
  // Named: GCC 12 destroys what a temporary lambda holds twice where it is awaited.
  const std::function<std::string()> examine = [root, log, agent_socket, tool, gpus] {
    return serialize(examine_tree(root, log, agent_socket, tool, gpus));
  };
  try {
    const auto text = co_await run_in_child(examine, kExaminationMax);
    co_return examined_in(text);
  } catch (const Error& error) {
    if (error.code() != Code::timed_out) throw;
    throw Error(Code::timed_out,
                fmt::format("the processes of the job could not be looked at within {} s",
                            kExaminationMax.count()),
                "one of them holds its memory, or a file that it has open does not answer");
  }
}

}  // namespace cardswap::criu
