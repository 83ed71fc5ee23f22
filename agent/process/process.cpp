#include "agent/process/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "agent/process/log_file.h"
#include "agent/process/pipe.h"
#include "migrator/base/error.h"
#include "migrator/base/os_error.h"
#include "migrator/base/process_stat.h"

namespace cardswap {
namespace {

constexpr std::size_t kInheritedMax = 8;
constexpr int kHighFd = 64;
constexpr int kReapTries = 50;
constexpr int kReapEveryMs = 10;

/// Puts them at 3, 4, ... and closes everything else but `report`, which gets another number:
/// before the user changes, who may stop this process then and would keep open what the agent has.
bool pass_on(const std::vector<int>& inherited, int& report) {
  std::array<int, kInheritedMax> high{};
  report = ::fcntl(report, F_DUPFD_CLOEXEC, kHighFd);
  for (std::size_t i = 0; i < inherited.size(); ++i) {
    high.at(i) = ::fcntl(inherited[i], F_DUPFD_CLOEXEC, kHighFd);
  }
  for (std::size_t i = 0; i < inherited.size(); ++i) {
    if (::dup2(high.at(i), 3 + static_cast<int>(i)) < 0) return false;
  }
  return keep_only(report, 3U + static_cast<unsigned>(inherited.size()));
}

/// What the child does between fork and exec: only calls that are allowed there. Writes errno to
/// `report` and ends when a step fails.
[[noreturn]] void become(const char* program, char* const* argv, char* const* envp, const char* cwd,
                         int log, const ProcessSpec& spec, int report) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::setsid();
  ::umask(::umask(077) | 002);  // the agent's, but nobody is let write in what everybody may
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  const bool is_passed_on = pass_on(spec.inherit, report);
  const bool is_user = !spec.user || become_user(*spec.user);
  // After that: the kernel forgets it when the user changes.
  if (spec.dies_with_agent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool is_bound = !spec.no_new_privs || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (is_passed_on && is_user && is_bound && (cwd[0] == 0 || ::chdir(cwd) == 0)) {
    ::execve(program, argv, envp);
  }
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(report, &error, sizeof(error));
  ::_exit(127);
}

/// One that the kernel holds in a file system that does not answer stays behind.
void end_unstarted(pid_t pid) {
  ::kill(pid, SIGKILL);
  for (int tries = 0; tries < kReapTries; ++tries) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) return;
    ::poll(nullptr, 0, kReapEveryMs);
  }
}

}  // namespace

Error not_in_time(const std::string& program, std::int64_t seconds) {
  return {
      Code::refused, fmt::format("start {}: it could not be opened within {} s", program, seconds),
      "somebody who owns it, or what it is run by, may hold a lease on it (LEASE in /proc/locks), "
      "or its file system does not answer"};
}

std::string find_program(const ProcessSpec& spec) {
  const auto& name = spec.argv.at(0);
  if (name.find('/') != std::string::npos) return name;
  const auto path = spec.env.find("PATH");
  std::istringstream folders(path == spec.env.end() ? "/usr/bin:/bin" : path->second);
  for (std::string folder; std::getline(folders, folder, ':');) {
    auto candidate = folder + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  throw Error(Code::refused, fmt::format("start {}: there is no such program in PATH", name),
              "give its full path");
}

Starting begin_process(const ProcessSpec& spec) {
  if (spec.inherit.size() > kInheritedMax) {
    throw Error(Code::internal, "a program was to inherit too many descriptors");
  }
  auto program = find_program(spec);
  std::vector<std::string> env;
  for (const auto& [key, value] : spec.env) env.push_back(key + "=" + value);
  std::vector<char*> argv;
  for (const auto& word : spec.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (auto& word : env) envp.push_back(word.data());
  envp.push_back(nullptr);

  auto log = open_log(spec.log, spec.user ? spec.user : spec.reads_log);
  auto report = make_pipe();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(program.c_str(), argv.data(), envp.data(), spec.cwd.c_str(), log.get(), spec,
           report.write.get());
  }
  if (pid < 0) throw os_error("fork");
  log.reset();
  report.write.reset();
  return {pid, std::move(report.read), std::move(program)};
}

ProcessId conclude(const Starting& starting, std::optional<int> failed) {
  if (!failed) throw not_in_time(starting.program, kExecMax.count());
  if (*failed != 0) {
    throw Error(Code::refused,
                fmt::format("start {}: {}", starting.program, std::strerror(*failed)),
                "check the program's path, its rights and --cwd on this host");
  }
  return {starting.pid, start_time_of(starting.pid).value_or(0)};
}

ProcessId start_process(const ProcessSpec& spec) {
  const auto starting = begin_process(spec);
  pollfd said{starting.report.get(), POLLIN, 0};
  constexpr auto kMs = std::chrono::milliseconds(kExecMax).count();
  const bool is_late = ::poll(&said, 1, static_cast<int>(kMs)) == 0;
  int failed = 0;
  try {
    if (is_late) return conclude(starting, std::nullopt);
    if (::read(starting.report.get(), &failed, sizeof(failed)) <= 0) failed = 0;
    return conclude(starting, failed);
  } catch (const Error&) {
    end_unstarted(starting.pid);
    throw;
  }
}

std::optional<std::uint64_t> start_time_of(pid_t pid) {
  const auto stat = process_stat_of(pid);
  if (!stat) return std::nullopt;
  return stat->start_time;
}

bool is_alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  const auto stat = process_stat_of(process.pid);
  return stat && stat->start_time == process.start_time && stat->state != 'Z';
}

bool may_be_alive(const ProcessId& process) {
  try {
    return is_alive(process);
  } catch (const Error&) {
    return true;
  }
}

bool signal_group(const ProcessId& process, int signal) {
  try {
    // A leader that is dead and not yet waited for still holds its number for its group.
    return process.pid > 0 && start_time_of(process.pid) == process.start_time &&
           ::kill(-process.pid, signal) == 0;
  } catch (const Error&) {
    return false;
  }
}

bool signal_process(const ProcessId& process, int signal) {
  try {
    const auto pidfd = open_pidfd(process);
    return pidfd && ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
  } catch (const Error&) {
    return false;
  }
}

Descriptor open_pidfd(const ProcessId& process) {
  if (process.pid <= 0) return {};
  Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  // EINVAL: a thread of another process has the number now.
  if (!pidfd && errno != ESRCH && errno != EINVAL && errno != ENOENT) {
    throw os_error(fmt::format("watch process {}", process.pid));
  }
  if (start_time_of(process.pid) != process.start_time) return {};
  return pidfd;
}

}  // namespace cardswap
