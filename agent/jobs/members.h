#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

/// By what the processes of one job are known on this host.
struct Family {
  ProcessId leader;   ///< of their session: the job's program
  ProcessId parent;   ///< the program's, no member itself; or none
  ProcessId init;     ///< of a restored tree: the first process of its PID namespace; or none
  std::string token;  ///< CARDSWAP_TOKEN in their environment
};

/// Every live process of it, also one that left the group and the session, or lost its parents:
/// what descends from the parent or the init, the leader's session and group for as long as the
/// leader lives, and what carries the token in this PID namespace (a process that CRIU brought has
/// kept the environment that it left elsewhere with). One walk over /proc.
[[nodiscard]] std::vector<ProcessId> members_of(const Family& family);

/// Of every process in this PID namespace that has one: its CARDSWAP_TOKEN. One walk over /proc.
[[nodiscard]] std::map<std::string, std::vector<pid_t>> processes_by_token();

/// SIGTERM to each member, after `grace` SIGKILL, until none is left; whom that met. None is
/// signalled by a number alone: another process may have it by now.
[[nodiscard]] boost::asio::awaitable<std::vector<pid_t>> end_members(
    Family family, std::chrono::milliseconds grace);

/// False when it is gone.
bool signal_process(const ProcessId& process, int signal);

}  // namespace cardswap
