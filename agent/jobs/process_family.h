#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/process/process.h"

namespace cardswap {

/// The marks by which the processes of one job are found on this host.
struct ProcessFamily {
  ProcessId program;  ///< the job's program, the leader of its session
  ProcessId parent;   ///< the program's parent, no member itself; or none
  ProcessId init;     ///< of a restored tree: the first process of its PID namespace; or none
  std::string token;  ///< CARDSWAP_TOKEN in the processes' environment; empty: not searched for
  std::string user;   ///< the processes' user; empty: the agent's own
};

/// Every live process of the job, also one that left its group and session or lost its parents. A
/// process is a member if it descends from the program, the parent or the init, if it is in the
/// session or group of the program while that lives, or if it belongs to the user or root and has
/// the token in this PID namespace (a process that CRIU restored keeps the environment of its
/// former host). Blocks: it reads /proc, and processes of the user that let nobody read their
/// memory delay it by a second at most; they are no members by their token. Throws Error{io} if
/// /proc cannot be read now, for lack of descriptors say.
[[nodiscard]] std::vector<ProcessId> members_of(const ProcessFamily& family);
/// members_of(). Nullopt: that throws, and the log has a warning; ask again later.
[[nodiscard]] std::optional<std::vector<ProcessId>> members_seen(const ProcessFamily& family);

/// The CARDSWAP_TOKEN of every process in this PID namespace that has one and belongs to one of
/// `users`, to root or to the agent's user. Blocks and throws as members_of() does.
[[nodiscard]] std::set<std::string> tokens_that_live(const std::set<std::string>& users);

/// Sends SIGTERM to each member, and after `grace` SIGKILL, until none is left, however long that
/// takes. Returns the signalled pids. While members_of() throws, it tries again. Never signals by
/// pid alone: another process may have the pid by now.
[[nodiscard]] boost::asio::awaitable<std::vector<pid_t>> end_members(
    ProcessFamily family, std::chrono::milliseconds grace);

}  // namespace cardswap
