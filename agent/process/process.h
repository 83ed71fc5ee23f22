#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/job_user.h"
#include "migrator/base/descriptor.h"
#include "migrator/base/error.h"

namespace cardswap {

/// How a program is to be started.
struct ProcessSpec {
  std::vector<std::string> argv;           ///< argv[0] is searched in the PATH of `env`
  std::map<std::string, std::string> env;  ///< the whole environment
  std::string cwd;                         ///< empty: the present folder
  std::filesystem::path log;               ///< stdout and stderr are appended to it (open_log())
  bool dies_with_agent =
      false;  ///< killed when the thread that starts it ends: the agent's, or its parent's
  std::optional<JobUser> user;       ///< nullopt: this process's user
  std::optional<JobUser> reads_log;  ///< owner of a new log where there is no `user`
  bool no_new_privs = false;         ///< setuid programs gain no rights
  std::vector<int> inherit;  ///< descriptors that become 3, 4, ... in the program; at most 8
};

/// Names one process: its pid and its start time, because the kernel uses pids again.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< clock ticks after boot, /proc/PID/stat
  bool operator==(const ProcessId&) const = default;
};

/// Makes the Error{refused} of a program that could not be opened in time.
[[nodiscard]] Error not_in_time(const std::string& program, std::int64_t seconds);
/// argv[0] as a path. Throws Error{refused} when PATH has no such program.
[[nodiscard]] std::string find_program(const ProcessSpec& spec);
/// Starts a program as a child in a session of its own. Blocks until the program runs, for 5 s at
/// most: a lease on the program's file, or a file system that does not answer, delays it. Throws
/// Error{refused} when the program cannot be started, Error{io} when its log cannot be opened or
/// this host has no process or descriptor left, Error{internal} for too many inherited descriptors.
/// Not for the agent's thread, which has start_child() and start_supervised()
/// (agent/process/supervised_process.h).
[[nodiscard]] ProcessId start_process(const ProcessSpec& spec);
/// A child between fork and exec. When exec fails, the child writes errno to `report`; when exec
/// succeeds, `report` is closed.
struct Starting {
  pid_t pid = 0;
  Descriptor report;
  std::string program;
};
/// How long a child may take until exec.
inline constexpr std::chrono::seconds kExecMax{5};
/// Forks and returns at once: the first half of start_process(), for start_child(). Throws as
/// start_process().
[[nodiscard]] Starting begin_process(const ProcessSpec& spec);
/// Turns the report into the process: `failed` is the errno from `report`, 0 at its end, nullopt
/// after kExecMax. Throws as start_process(); the child is then the caller's to kill and reap.
[[nodiscard]] ProcessId conclude(const Starting& starting, std::optional<int> failed);
/// The start time of a process (ProcessId::start_time); nullopt if it is gone. Throws Error{io}
/// where /proc cannot be read now, for lack of descriptors say: that does not mean that it has
/// ended.
[[nodiscard]] std::optional<std::uint64_t> start_time_of(pid_t pid);
/// Whether the process runs and is no zombie. Throws as start_time_of().
[[nodiscard]] bool is_alive(const ProcessId& process);
/// Whether the process may run: true also where is_alive() throws. For callers that take something
/// away from a process once it has ended.
[[nodiscard]] bool may_be_alive(const ProcessId& process);
/// Signals the whole process group of a leader. False if the leader is gone and was reaped, or if
/// it cannot be checked now whether the pid is still the leader's.
bool signal_group(const ProcessId& process, int signal);
/// Signals the process. False if it is gone, or if that cannot be checked now.
bool signal_process(const ProcessId& process, int signal);
/// A pidfd: it becomes readable when the process ends. Empty if the process is gone. Throws as
/// start_time_of().
[[nodiscard]] Descriptor open_pidfd(const ProcessId& process);

}  // namespace cardswap
