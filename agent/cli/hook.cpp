#include "agent/cli/hook.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <string_view>

#include "agent/cli/spawning.h"
#include "migrator/base/descriptor.h"

extern char** environ;  // NOLINT: POSIX's name

namespace cardswap::cli {
namespace {

constexpr std::string_view kPrefix = "CARDSWAP_HOOK_";

std::vector<std::string> environment_with(const HookFacts& facts) {
  std::vector<std::string> result;
  for (char** item = environ; *item != nullptr; ++item) {
    if (!std::string_view(*item).starts_with(kPrefix)) result.emplace_back(*item);
  }
  for (const auto& [name, value] : facts) {
    auto item = std::string(kPrefix) + name + "=" + value;
    std::erase(item, '\0');
    result.push_back(std::move(item));
  }
  return result;
}

}  // namespace

std::string run_hook(const std::vector<std::string>& arguments, const HookFacts& facts,
                     std::chrono::milliseconds limit) {
  const auto [pid, failed] =
      spawn(arguments, environment_with(facts), {.in_own_group = true, .stdin_is_null = true});
  if (failed != 0) return fmt::format("{}: {}", arguments[0], std::strerror(failed));
  const Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd waited{pidfd.get(), POLLIN, 0};
  const bool late = pidfd && ::poll(&waited, 1, static_cast<int>(limit.count())) == 0;
  if (late) ::kill(-pid, SIGKILL);
  const int status = wait_status_of(pid);
  if (late) return fmt::format("killed after {} s", limit.count() / 1000);
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("exit {}", WEXITSTATUS(status));
}

}  // namespace cardswap::cli
