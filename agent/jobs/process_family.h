#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

/// How the processes of one job are found on this host.
struct ProcessFamily {
  ProcessId leader;   ///< of their session: the job's program
  ProcessId parent;   ///< the program's parent, no member itself; or none
  ProcessId init;     ///< of a restored tree: the first process of its PID namespace; or none
  std::string token;  ///< CARDSWAP_TOKEN in their environment
  std::string user;   ///< whose they are; empty: the agent's own
};

/// Every live process of the job, also one that left its group and session or lost its parents. A
/// process is a member if it descends from the parent or the init, if it is in the session or group
/// of a leader that lives, or if it is the user's or root's and has the token in this PID namespace
/// (a process that CRIU brought keeps the environment of its former host). Two walks over /proc. A
/// process of the user that lets nobody read its memory may take a second, and is no member by its
/// token. Throws Error{io} where nobody can look now.
[[nodiscard]] std::vector<ProcessId> members_of(const ProcessFamily& family);
/// What members_of() returns; nothing where it throws, which is told: to be asked again.
[[nodiscard]] std::optional<std::vector<ProcessId>> members_seen(const ProcessFamily& family);

/// The CARDSWAP_TOKEN of every process of one of `users`, or of root, in this PID namespace that
/// has one. One walk over /proc, and the same second.
[[nodiscard]] std::set<std::string> tokens_that_live(const std::set<std::string>& users);

/// Sends SIGTERM to each member, after `grace` SIGKILL, until none is left. Returns the pids that
/// it signalled; where nobody can look, it waits until somebody can. Never signals by pid alone:
/// another process may have the pid by now.
[[nodiscard]] boost::asio::awaitable<std::vector<pid_t>> end_members(
    ProcessFamily family, std::chrono::milliseconds grace);

}  // namespace cardswap
