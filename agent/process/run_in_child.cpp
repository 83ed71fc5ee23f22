// The child runs no other program, because `work` uses the agent's own types and may return much.
// glibc keeps its allocator usable after fork(); no other lock is taken between fork and exit.

#include "agent/process/run_in_child.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "agent/base/task_group.h"
#include "agent/process/pipe.h"
#include "agent/process/pipe_text.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"

namespace cardswap {
namespace {

constexpr std::size_t kAnswerMax = 64U << 20;
constexpr char kReturned = 'r';
constexpr char kThrew = 't';
constexpr int kChildReapTries = 100;
constexpr std::chrono::milliseconds kChildReapTick{5};

/// Kills the child at its own end at the latest. Never waits for the child without a limit: the
/// user that it became may stop it, or the kernel may hold it.
class ChildGuard {
 public:
  explicit ChildGuard(pid_t pid) : pid_(pid) {}
  ~ChildGuard() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, WNOHANG);
  }
  ChildGuard(const ChildGuard&) = delete;
  ChildGuard& operator=(const ChildGuard&) = delete;

  asio::awaitable<void> end() {
    ::kill(pid_, SIGKILL);
    for (int tries = 0; tries < kChildReapTries; ++tries) {
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = 0;
        co_return;
      }
      co_await pause_for(kChildReapTick);
    }
  }

 private:
  pid_t pid_;
};

/// The answer has a line each for the code, the failure and the hint.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string answer_of(const std::function<std::string()>& work) {
  try {
    return kReturned + work();
  } catch (...) {
    const auto error = error_of(std::current_exception());
    return fmt::format("{}{}\n{}\n{}", kThrew, to_string(error.code()), one_line(error.failure()),
                       one_line(error.hint()));
  }
}

/// The child has a copy of the agent's memory: nobody may read it, and it must not outlive the
/// agent. The kernel drops both settings when the user changes.
void belong_to_the_agent_alone() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_DUMPABLE, 0);
}

[[noreturn]] void answer_and_end(const std::function<std::string()>& work, int report) {
  belong_to_the_agent_alone();
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  (void)keep_only(report);
  const auto answer = answer_of(work);
  for (std::string_view left = answer; !left.empty();) {
    const auto put = ::write(report, left.data(), left.size());
    if (put <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(put));
  }
  ::_exit(0);
}

/// "tCODE\nFAILURE\nHINT".
Error error_in(std::string_view answer) {
  const auto line = [&] {
    const auto text = answer.substr(0, answer.find('\n'));
    answer.remove_prefix(std::min(text.size() + 1, answer.size()));
    return std::string(text);
  };
  const auto code = code_from_string(line()).value_or(Code::internal);
  const auto failure = line();
  return {code, failure, line()};
}

}  // namespace

void become_in_child(const JobUser& user) {
  if (!become_user(user)) {
    throw Error(Code::refused, fmt::format("become user {}: {}", user.name, std::strerror(errno)));
  }
  belong_to_the_agent_alone();
}

asio::awaitable<std::string> run_in_child(std::function<std::string()> work,
                                          std::chrono::milliseconds limit) {
  auto pipe = make_pipe();
  const pid_t pid = ::fork();
  if (pid == 0) answer_and_end(work, pipe.write.get());
  if (pid < 0) throw os_error("fork");
  pipe.write.reset();
  ChildGuard child(pid);
  auto answer = co_await text_through(std::move(pipe.read), kAnswerMax, limit);
  co_await child.end();
  if (!answer) {
    throw Error(Code::timed_out, fmt::format("no answer within {} ms", limit.count()),
                "a file system, or a process's memory, does not answer");
  }
  if (answer->starts_with(kThrew)) throw error_in(std::string_view(*answer).substr(1));
  if (!answer->starts_with(kReturned)) {
    throw Error(Code::internal, "the process that looks ended without an answer",
                "the kernel log may say why: was there memory left?");
  }
  answer->erase(0, 1);
  co_return std::move(*answer);
}

asio::awaitable<std::string> run_as_user(std::optional<JobUser> user,
                                         std::chrono::milliseconds limit,
                                         std::function<std::string()> work) {
  std::function<std::string()> as_user = [&user, &work] {
    if (user) become_in_child(*user);
    return work();
  };
  co_return co_await run_in_child(std::move(as_user), limit);
}

}  // namespace cardswap
