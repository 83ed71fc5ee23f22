#include "agent/cli/hook.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <string_view>

#include "migrator/base/descriptor.h"

extern char** environ;  // NOLINT: POSIX's name

namespace cardswap::cli {
namespace {

constexpr std::string_view kPrefix = "CARDSWAP_HOOK_";

class Spawning {
 public:
  Spawning() {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    // This command has signals blocked; the hook gets them unblocked. Ctrl-C is for the command
    // only.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~Spawning() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

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

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

std::string run_hook(const std::vector<std::string>& arguments, const HookFacts& facts,
                     std::chrono::milliseconds limit) {
  auto words = arguments;
  auto environment = environment_with(facts);
  const Spawning spawning;
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, words[0].c_str(), &spawning.files, &spawning.attributes,
                                    pointers(words).data(), pointers(environment).data());
  if (failed != 0) return fmt::format("{}: {}", words[0], std::strerror(failed));
  const Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd waited{pidfd.get(), POLLIN, 0};
  const bool late = pidfd && ::poll(&waited, 1, static_cast<int>(limit.count())) == 0;
  if (late) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) return fmt::format("killed after {} s", limit.count() / 1000);
  if (WIFSIGNALED(status)) return fmt::format("signal {}", WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : fmt::format("exit {}", WEXITSTATUS(status));
}

}  // namespace cardswap::cli
