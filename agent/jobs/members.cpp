#include "agent/jobs/members.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/process/process_tree.h"
#include "migrator/core/descriptor.h"
#include "migrator/core/environment.h"

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{50};
constexpr milliseconds kLookAgainMax{2000};
constexpr std::size_t kEnvironMax = 6U << 20;  // what execve() takes; a process may say it has more

void each_process(const std::function<void(pid_t)>& look) {
  std::error_code gone;
  for (std::filesystem::directory_iterator entry("/proc", gone), end; !gone && entry != end;
       entry.increment(gone)) {
    const auto name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) look(std::stoi(name));
  }
}

/// The token in its environment; empty without one, or where that may not be read.
std::string token_of(pid_t pid) {
  const auto key = fmt::format("{}=", environment::kToken);
  std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  std::string text;
  std::array<char, 16384> piece{};
  while (text.size() < kEnvironMax) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (file.gcount() <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
  }
  for (std::string_view left = text; !left.empty();) {
    const auto item = left.substr(0, left.find('\0'));
    left.remove_prefix(std::min(item.size() + 1, left.size()));
    if (item.starts_with(key)) return std::string(item.substr(key.size()));
  }
  return {};
}

bool is_in_this_namespace(pid_t pid) {
  static const auto ours = std::filesystem::read_symlink("/proc/self/ns/pid");
  std::error_code unknown;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/ns/pid", pid), unknown) == ours;
}

}  // namespace

std::vector<ProcessId> members_of(const Family& family) {
  std::vector<ProcessId> found;
  const auto add = [&](pid_t pid) {
    const ProcessId process{pid, start_time_of(pid).value_or(0)};
    if (pid == ::getpid() || process == family.parent || process == family.init) return;
    if (is_alive(process) && std::ranges::find(found, process) == found.end()) {
      found.push_back(process);
    }
  };
  for (const auto& top : {family.init, family.parent, family.leader}) {
    for (const auto pid : tree_of(top)) add(pid);
  }
  const auto leader = is_alive(family.leader) ? family.leader.pid : 0;
  each_process([&](pid_t pid) {
    const bool near = leader != 0 && (::getsid(pid) == leader || ::getpgid(pid) == leader);
    if (near ||
        (!family.token.empty() && token_of(pid) == family.token && is_in_this_namespace(pid))) {
      add(pid);
    }
  });
  return found;
}

std::map<std::string, std::vector<pid_t>> processes_by_token() {
  std::map<std::string, std::vector<pid_t>> found;
  each_process([&](pid_t pid) {
    auto token = token_of(pid);
    if (!token.empty() && is_in_this_namespace(pid)) found[std::move(token)].push_back(pid);
  });
  return found;
}

boost::asio::awaitable<std::vector<pid_t>> end_members(Family family, milliseconds grace) {
  std::vector<pid_t> met;
  const auto deadline = Clock::now() + grace;
  milliseconds apart{0};
  while (true) {
    const auto left = members_of(family);
    if (left.empty()) co_return met;
    const bool kill = Clock::now() >= deadline;
    bool any_fresh = false;
    for (const auto& process : left) {
      const bool fresh = std::ranges::find(met, process.pid) == met.end();
      any_fresh = any_fresh || fresh;
      if (fresh) met.push_back(process.pid);
      if (kill || fresh) signal_process(process, kill ? SIGKILL : SIGTERM);
    }
    // Who forks meanwhile is met at the next look. That reads every process of the host, so one
    // that does not end by SIGKILL, in a hung driver, has fewer and fewer of them.
    apart = kill && !any_fresh ? std::min(2 * apart + kLookAgain, kLookAgainMax) : milliseconds(0);
    const auto next_look = kill ? Clock::now() + apart : deadline;
    do {
      co_await pause_for(kLookAgain);
    } while (Clock::now() < next_look && std::ranges::any_of(left, is_alive));
  }
}

bool signal_process(const ProcessId& process, int signal) {
  const Descriptor pidfd(open_pidfd(process));
  return pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

}  // namespace cardswap
