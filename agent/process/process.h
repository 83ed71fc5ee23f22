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

/// A program that is to be started.
struct ProcessSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up in the environment's PATH
  std::map<std::string, std::string> env;
  std::string cwd;
  std::filesystem::path log;  ///< stdout and stderr, appended
  bool dies_with_agent =
      false;  ///< killed when the thread that starts it ends: the agent's, or its parent's
  std::optional<JobUser> user;       ///< none: the agent's user
  std::optional<JobUser> reads_log;  ///< owner of a new log, if not `user`
  bool no_new_privs = false;
  std::vector<int> inherit;  ///< descriptors that are 3, 4, ... in the program; at most 8
};

/// Names one process: its pid and its start time, because the kernel uses pids again.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< clock ticks after boot, /proc/PID/stat
  bool operator==(const ProcessId&) const = default;
};

/// The error of a program that could not be opened in time.
[[nodiscard]] Error not_in_time(const std::string& program, std::int64_t seconds);
/// argv[0] as a path. Throws Error{refused} when PATH has no such program.
[[nodiscard]] std::string find_program(const ProcessSpec& spec);
/// Starts a child in a session of its own. Blocks until its program runs, for 5 s at most: a lease
/// on the program's file, or a file system that does not answer, holds it up. Throws Error{refused}
/// with the reason when the program cannot be started. For a program that does nothing else
/// meanwhile; the agent has start_child() and start_supervised()
/// (agent/process/supervised_process.h).
[[nodiscard]] ProcessId start_process(const ProcessSpec& spec);
/// A child that has not said yet whether its program runs: `report` tells errno, or nothing but its
/// end.
struct Starting {
  pid_t pid = 0;
  Descriptor report;
  std::string program;
};
/// Starts a process as start_process() does, but in two, for whoever waits otherwise (start_child()
/// in agent/process/child.h). The same errors. `failed`: what `report` told, 0 for its end; none
/// when kExecMax is over. Where conclude() throws, the child is the caller's to kill and to wait
/// for.
[[nodiscard]] Starting begin_process(const ProcessSpec& spec);
[[nodiscard]] ProcessId conclude(const Starting& starting, std::optional<int> failed);
inline constexpr std::chrono::seconds kExecMax{5};
/// When a process was started; nothing for one that is gone. Throws Error{io} where nobody can look
/// now, as with no descriptor left: that is no answer, least of all that it has ended.
[[nodiscard]] std::optional<std::uint64_t> start_time_of(pid_t pid);
/// Whether the process runs and is no zombie. Throws as start_time_of().
[[nodiscard]] bool is_alive(const ProcessId& process);
/// Whether the process may run: also where nobody can look now. For whoever would take something
/// from a process that has ended.
[[nodiscard]] bool may_be_alive(const ProcessId& process);
/// Signals the whole process group; false if the leader is gone and was waited for, or nobody can
/// look now whether its number is still its own.
bool signal_group(const ProcessId& process, int signal);
/// Signals the process; false if it is gone, or nobody can look now.
bool signal_process(const ProcessId& process, int signal);
/// Becomes readable when the process ends; none if it is gone. Throws as start_time_of().
[[nodiscard]] Descriptor open_pidfd(const ProcessId& process);

}  // namespace cardswap
