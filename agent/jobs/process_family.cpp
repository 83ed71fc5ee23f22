#include "agent/jobs/process_family.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <unordered_set>

#include "agent/base/task_group.h"
#include "agent/process/environment_scan.h"
#include "agent/process/job_user.h"
#include "agent/process/process_tree.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/environment.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{50};
constexpr milliseconds kLookAgainMax{2000};
constexpr std::size_t kSignalsATurn = 256;

void each_process(const std::function<void(pid_t)>& look) {
  std::error_code gone;
  for (std::filesystem::directory_iterator entry("/proc", gone), end; !gone && entry != end;
       entry.increment(gone)) {
    const auto name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) look(std::stoi(name));
  }
}

/// The real user of a process, also of a setuid program; nullopt when it is gone.
std::optional<uid_t> user_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Uid:")) return static_cast<uid_t>(std::stoul(line.substr(4)));
  }
  return std::nullopt;
}

bool is_in_this_namespace(pid_t pid) {
  static const auto ours = std::filesystem::read_symlink("/proc/self/ns/pid");
  std::error_code unknown;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/ns/pid", pid), unknown) == ours;
}

/// The tokens of `pids`. Processes whose memory cannot be read in time are left out, with a
/// warning.
std::map<pid_t, std::string> tokens_of(const std::vector<pid_t>& pids) {
  auto seen = scan_environments(pids, environment::kToken);
  if (!seen.unread.empty()) {
    spdlog::warn("the environment of process {}{} could not be read in time: it counts as no job's",
                 seen.unread.front(),
                 seen.unread.size() == 1 ? std::string()
                                         : fmt::format(" and {} more", seen.unread.size() - 1));
  }
  return std::move(seen.values);
}

/// The ids of users by name, and of root and the agent's user.
std::set<uid_t> uids_of(const std::set<std::string>& users) {
  std::set<uid_t> uids{0, ::geteuid()};
  for (const auto& name : users) {
    try {
      if (!name.empty()) uids.insert(job_user(name).uid);
    } catch (const Error& gone) {
      spdlog::warn("processes of user {} are not looked for: {}", name, gone.what());
    }
  }
  return uids;
}

/// The processes of `users` in this PID namespace, without `known`. Processes of other users are
/// not read: none of them can delay the search.
std::vector<pid_t> processes_of(const std::set<std::string>& users,
                                const std::unordered_set<pid_t>& known = {}) {
  const auto uids = uids_of(users);
  std::vector<pid_t> found;
  each_process([&](pid_t pid) {
    if (known.contains(pid)) return;
    const auto user = user_of(pid);
    if (user && uids.contains(*user) && is_in_this_namespace(pid)) found.push_back(pid);
  });
  return found;
}

}  // namespace

std::vector<ProcessId> members_of(const ProcessFamily& family) {
  std::vector<ProcessId> found;
  std::unordered_set<pid_t> met{::getpid()};
  const auto add = [&](pid_t pid) {
    if (!met.insert(pid).second) return;
    const ProcessId process{pid, start_time_of(pid).value_or(0)};
    if (process == family.parent || process == family.init) return;
    if (is_alive(process)) found.push_back(process);
  };
  for (const auto& top : {family.init, family.parent, family.program}) {
    for (const auto pid : tree_of(top)) add(pid);
  }
  if (is_alive(family.program)) {
    each_process([&](pid_t pid) {
      if (::getsid(pid) == family.program.pid || ::getpgid(pid) == family.program.pid) add(pid);
    });
  }
  if (family.token.empty()) return found;
  const auto others = processes_of({family.user}, met);
  for (const auto& [pid, token] : tokens_of(others)) {
    if (token == family.token) add(pid);
  }
  return found;
}

std::optional<std::vector<ProcessId>> members_seen(const ProcessFamily& family) {
  try {
    return members_of(family);
  } catch (const Error& error) {
    spdlog::warn("what is left of process {} is looked for again: {}", family.program.pid,
                 error.what());
    return std::nullopt;
  }
}

std::set<std::string> tokens_that_live(const std::set<std::string>& users) {
  std::set<std::string> found;
  for (auto& [pid, token] : tokens_of(processes_of(users))) found.insert(std::move(token));
  return found;
}

boost::asio::awaitable<std::vector<pid_t>> end_members(ProcessFamily family, milliseconds grace) {
  std::set<pid_t> met;
  const auto deadline = Clock::now() + grace;
  milliseconds apart{0};
  while (true) {
    const auto seen = members_seen(family);
    if (!seen) {
      co_await pause_for(kLookAgainMax);
      continue;
    }
    const auto& left = *seen;
    if (left.empty()) co_return std::vector<pid_t>(met.begin(), met.end());
    const bool kill = Clock::now() >= deadline;
    bool any_fresh = false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      const bool fresh = met.insert(left[i].pid).second;
      any_fresh = any_fresh || fresh;
      if (kill || fresh) signal_process(left[i], kill ? SIGKILL : SIGTERM);
      if (i % kSignalsATurn == 0) co_await pause_for(milliseconds(0));  // others have their turn
    }
    // Who forks meanwhile is met at the next look. That reads every process of the host, so one
    // that does not end by SIGKILL, in a hung driver, has fewer and fewer of them.
    apart = kill && !any_fresh ? std::min(2 * apart + kLookAgain, kLookAgainMax) : milliseconds(0);
    const auto next_look = kill ? Clock::now() + apart : deadline;
    do {
      co_await pause_for(kLookAgain);
    } while (Clock::now() < next_look && std::ranges::any_of(left, may_be_alive));
  }
}

}  // namespace cardswap
