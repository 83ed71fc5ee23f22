#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <string>

#include "agent/process/job_user.h"

namespace cardswap {

/// Returns or throws (as Error) what `work` does, called in a child process that ends after it:
/// whatever it waits for keeps nobody else waiting. `work` changes the child alone, a user that it
/// becomes and a folder that it goes to, and must neither log nor use the agent's sockets, disk or
/// other threads: none of them are there. Throws Error{timed_out} when it has not returned within
/// `limit`, Error{io} when there is no child. Cancelling the coroutine ends the child.
[[nodiscard]] boost::asio::awaitable<std::string> run_in_child(std::function<std::string()> work,
                                                               std::chrono::milliseconds limit);

/// Makes the child that user for good, who can neither see into it nor keep it: for a look that is
/// made with the user's rights. Throws Error{refused}.
void become_in_child(const JobUser& user);

}  // namespace cardswap
