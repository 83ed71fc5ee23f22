#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

/// How the processes of one job are found on this host.
struct Family {
  ProcessId leader;   ///< of their session: the job's program
  ProcessId parent;   ///< the program's parent, no member itself; or none
  ProcessId init;     ///< of a restored tree: the first process of its PID namespace; or none
  std::string token;  ///< CARDSWAP_TOKEN in their environment
};

/// Every live process of the job, also one that left its group and session or lost its parents. A
/// process is a member if it descends from the parent or the init, if it is in the session or group
/// of a leader that lives, or if it has the token in this PID namespace (a process that CRIU
/// brought keeps the environment of its former host). One walk over /proc.
[[nodiscard]] std::vector<ProcessId> members_of(const Family& family);

/// The CARDSWAP_TOKEN of every process in this PID namespace that has one. One walk over /proc.
[[nodiscard]] std::map<std::string, std::vector<pid_t>> processes_by_token();

/// Sends SIGTERM to each member, after `grace` SIGKILL, until none is left. Returns the pids that
/// it signalled. Never signals by pid alone: another process may have the pid by now.
[[nodiscard]] boost::asio::awaitable<std::vector<pid_t>> end_members(
    Family family, std::chrono::milliseconds grace);

/// False if the process is gone.
bool signal_process(const ProcessId& process, int signal);

}  // namespace cardswap
