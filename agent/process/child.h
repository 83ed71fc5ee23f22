#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/process/process.h"

namespace cardswap {

/// Starts a process as start_process() does, without blocking the thread. Throws what
/// start_process() throws. After an exception or a cancellation the child and its children are
/// killed.
[[nodiscard]] boost::asio::awaitable<ProcessId> start_child(ProcessSpec spec);
/// Kills a child whose start is given up. Its children are killed first, because nobody would find
/// them afterwards.
void kill_start(pid_t child);
/// Collects the status of a killed child. Waits for it half a second at most, since the kernel may
/// hold it; a child that is not collected stays a zombie until the agent ends.
[[nodiscard]] boost::asio::awaitable<void> reap_killed(pid_t child);
/// Starts `spec`, waits for its end without a limit and returns waitpid's status. Cancelling the
/// coroutine after the start does not end the program. Throws what start_process() throws.
[[nodiscard]] boost::asio::awaitable<int> run_to_exit(ProcessSpec spec);
/// Returns when `process` has ended or is a zombie; does not collect its status. Returns at once
/// for a process that is gone.
[[nodiscard]] boost::asio::awaitable<void> wait_for_exit(ProcessId process);
/// Waits like wait_for_exit(), and collects and returns waitpid's status. 0 if `process` is not a
/// child of this process.
[[nodiscard]] boost::asio::awaitable<int> wait_and_reap(ProcessId process);

/// Waits like wait_and_reap(), without returning the status.
[[nodiscard]] boost::asio::awaitable<void> reap(ProcessId process);

}  // namespace cardswap
