#include "agent/process/wait_for_tree.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

#include "agent/base/replace_file.h"
#include "agent/process/exit_status.h"
#include "agent/process/process_tree.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kDescendantsEndMax{
    5};  // a process in a hung file system does not end
constexpr int kLookAgainMs = 20;

/// Waits for every process that has ended here. True when `root` was among them.
bool reap(pid_t root, int& root_status) {
  bool ended = false;
  while (true) {
    siginfo_t about{};
    if (::waitid(P_ALL, 0, &about, WEXITED | WNOHANG | WNOWAIT) != 0 || about.si_pid == 0) break;
    if (about.si_pid == root) ::kill(-root, SIGKILL);
    int status = 0;
    if (::waitpid(about.si_pid, &status, 0) == root) {
      root_status = status;
      ended = true;
    }
  }
  return ended;
}

}  // namespace

std::optional<int> wait_for_tree(pid_t root, Descriptor lifeline,
                                 const std::function<void()>& on_release) {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);  // who ended before that is seen by the first reap()
  const Descriptor signals(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  int status = 0;
  while (!reap(root, status)) {
    std::array<pollfd, 2> wait{pollfd{signals.get(), POLLIN, 0}, pollfd{lifeline.get(), POLLIN, 0}};
    ::poll(wait.data(), lifeline ? 2 : 1, -1);
    signalfd_siginfo ignored{};
    while (::read(signals.get(), &ignored, sizeof(ignored)) > 0) {
    }
    if (lifeline && wait[1].revents != 0) {
      char word = 0;
      if (::read(lifeline.get(), &word, 1) != 1) return std::nullopt;
      lifeline.reset();
      if (on_release) on_release();
    }
  }
  return status;
}

void end_descendants() {
  const auto until = std::chrono::steady_clock::now() + kDescendantsEndMax;
  while (std::chrono::steady_clock::now() < until) {
    const auto self = ::getpid();
    try {
      for (const auto pid : tree_of({self, start_time_of(self).value_or(0)})) {
        if (pid != self) ::kill(pid, SIGKILL);
      }
    } catch (const Error&) {  // nobody can look now
      ::poll(nullptr, 0, kLookAgainMs);
      continue;
    }
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (children_of(self).empty()) return;
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

void write_status(const std::filesystem::path& file, int wait_status) {
  (void)try_replace_file(file, exit_status_text(wait_status) + "\n");
}

}  // namespace cardswap
