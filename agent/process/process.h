#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/process/user.h"

namespace cardswap {

struct ProcessSpec {
  std::vector<std::string> argv;  ///< argv[0] is looked up in the environment's PATH
  std::map<std::string, std::string> env;
  std::string cwd;
  std::filesystem::path log;     ///< stdout and stderr, appended
  bool dies_with_agent = false;  ///< with whoever starts it: a thread of the agent, or its parent
  std::optional<JobUser> user;   ///< none: as whom the agent runs
  std::optional<JobUser> reads_log;  ///< whose a new log is, where that is not `user`
  bool no_new_privs = false;
  std::vector<int> inherit;  ///< descriptors that are 3, 4, ... in the program; at most 8
};

/// A process by pid and start time, so that a pid used again is not taken for it.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< clock ticks after boot, /proc/PID/stat
  bool operator==(const ProcessId&) const = default;
};

/// argv[0] as a path. Throws Error{refused} when PATH has no such program.
[[nodiscard]] std::string find_program(const ProcessSpec& spec);
/// Starts a child in a session of its own. Throws Error{refused} with the reason when the program
/// cannot be started.
[[nodiscard]] ProcessId start_process(const ProcessSpec& spec);
[[nodiscard]] std::optional<std::uint64_t> start_time_of(pid_t pid);
/// Running and not a zombie.
[[nodiscard]] bool is_alive(const ProcessId& process);
/// Signals its whole process group; false when the leader is gone and was waited for.
bool signal_group(const ProcessId& process, int signal);
/// A descriptor that becomes readable when the process ends; -1 when it is gone. Caller closes.
[[nodiscard]] int open_pidfd(const ProcessId& process);

}  // namespace cardswap
