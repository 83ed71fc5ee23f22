#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/process/process.h"

namespace cardswap {

/// Starts a process as start_process() does, and keeps nobody else waiting. After a throw or a
/// cancellation it is killed, with what it has started.
[[nodiscard]] boost::asio::awaitable<ProcessId> start_child(ProcessSpec spec);
/// Kills a child whose start is given up; its children first: they would otherwise be nobody's.
void kill_start(pid_t child);
/// Collects the status of a child that was killed; for a while only, since the kernel may hold it.
/// One that is not collected, also because the coroutine is cancelled, is a zombie until the agent
/// ends.
[[nodiscard]] boost::asio::awaitable<void> reap_killed(pid_t child);
/// Starts `spec`, waits for its end and returns waitpid's status. Cancelling the coroutine does not
/// end the program. Throws Error{refused} when it cannot be started.
[[nodiscard]] boost::asio::awaitable<int> run_to_exit(ProcessSpec spec);
/// Returns when `process` has ended; does not collect its status.
[[nodiscard]] boost::asio::awaitable<void> wait_for_exit(ProcessId process);
/// Returns when `process` has ended or is a zombie; collects its status if it is a child.
[[nodiscard]] boost::asio::awaitable<int> wait_and_reap(ProcessId process);

/// Waits as wait_and_reap() does, for whoever does not ask how it ended.
[[nodiscard]] boost::asio::awaitable<void> reap(ProcessId process);

}  // namespace cardswap
