#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/process/process.h"

namespace cardswap::criu {

/// Starts `spec` and waits for its end; the wait status, as waitpid has it. The program goes on
/// where the coroutine is cancelled. Throws Error{refused} when it cannot be started.
[[nodiscard]] boost::asio::awaitable<int> run_child(ProcessSpec spec);
/// Returns when `process` has ended, and leaves its status to somebody else.
[[nodiscard]] boost::asio::awaitable<void> gone(ProcessId process);
/// Returns when `process` has ended, a zombie included, and takes its status if it is a child.
[[nodiscard]] boost::asio::awaitable<int> end_of(ProcessId process);

}  // namespace cardswap::criu
