#include "agent/process/process_tree.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <unordered_set>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

/// The text after "Key:" in /proc/PID/status; empty when there is none.
std::string status_field(pid_t pid, std::string_view key) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':') {
      return line.substr(key.size() + 1);
    }
  }
  return {};
}

/// Signals nobody if the tree cannot be read now: a pid may have been reused.
void signal_tree(const ProcessId& root, int signal) {
  try {
    for (const auto pid : tree_of(root)) ::kill(pid, signal);
  } catch (const Error&) {  // whoever asked for it asks again, or ends what is left
    return;
  }
}

}  // namespace

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> result;
  std::error_code gone;
  // A child belongs to the thread that made it. A process may end while it is read.
  std::filesystem::directory_iterator task(fmt::format("/proc/{}/task", pid), gone);
  for (; !gone && task != std::filesystem::directory_iterator(); task.increment(gone)) {
    std::ifstream file(task->path() / "children");
    for (pid_t child = 0; file >> child;) result.push_back(child);
  }
  return result;
}

std::vector<pid_t> tree_of(const ProcessId& root) {
  if (!is_alive(root)) return {};
  std::vector<pid_t> tree{root.pid};
  std::unordered_set<pid_t> met{root.pid};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    for (const auto child : children_of(tree[i])) {
      if (met.insert(child).second) tree.push_back(child);
    }
  }
  return tree;
}

bool is_descendant_of(pid_t pid, const ProcessId& ancestor) {
  constexpr int kGenerationsMax = 64;
  if (ancestor.pid <= 1 || !may_be_alive(ancestor)) return false;
  for (int generation = 0; generation < kGenerationsMax && pid > 1; ++generation) {
    if (pid == ancestor.pid) return true;
    pid = static_cast<pid_t>(std::atol(status_field(pid, "PPid").c_str()));
  }
  return false;
}

std::vector<std::string> left_behind(const std::vector<ProcessId>& members, const ProcessId& root) {
  const auto tree = tree_of(root);
  std::vector<std::string> reasons;
  for (const auto& process : members) {
    if (std::ranges::find(tree, process.pid) != tree.end() || !is_alive(process)) continue;
    auto name = status_field(process.pid, "Name");
    name.erase(0, name.find_first_not_of(" \t"));
    reasons.push_back(
        fmt::format("process {} ({}) belongs to the job and is no child of it any more (its parent "
                    "ended): CRIU would leave it behind; end it, or let its parent live",
                    process.pid, name));
  }
  return reasons;
}

pid_t innermost_pid_in(const std::string& numbers) {
  std::istringstream all(numbers);
  pid_t last = 0;
  for (pid_t number = 0; all >> number;) last = number;
  return last;
}

pid_t innermost_pid_of(pid_t pid) { return innermost_pid_in(status_field(pid, "NSpid")); }

bool is_traced(const ProcessId& root) {
  std::vector<pid_t> tree;
  try {
    tree = tree_of(root);
  } catch (const Error&) {
    return true;
  }
  return std::ranges::any_of(tree, [](pid_t pid) {
    const auto tracer = status_field(pid, "TracerPid");
    return !tracer.empty() && std::stol(tracer) != 0;
  });
}

void continue_stopped(const ProcessId& root) {
  if (!is_traced(root)) signal_tree(root, SIGCONT);
}

void kill_tree(const ProcessId& root) { signal_tree(root, SIGKILL); }

}  // namespace cardswap
