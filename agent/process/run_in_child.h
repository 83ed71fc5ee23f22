#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "agent/process/job_user.h"

namespace cardswap {

/// Calls `work` in a forked child process and returns its result, or throws its exception as an
/// Error. A call in `work` that blocks does not block the agent. `work` may change the child (its
/// user, its folder); it must not log, nor use the agent's sockets, files or other threads: the
/// child does not have them. Throws Error{timed_out} when it takes longer than `limit`, Error{io}
/// when the host has no process or descriptor left, Error{internal} when the child ends without an
/// answer. Cancelling the coroutine kills the child. A result is cut at 64 MiB. Line ends in an
/// exception's texts become blanks.
[[nodiscard]] boost::asio::awaitable<std::string> run_in_child(std::function<std::string()> work,
                                                               std::chrono::milliseconds limit);

/// Calls run_in_child() with work that has the rights of `user`; nullopt: the agent's.
[[nodiscard]] boost::asio::awaitable<std::string> run_as_user(std::optional<JobUser> user,
                                                              std::chrono::milliseconds limit,
                                                              std::function<std::string()> work);

/// Makes the child that user for good, so that `work` has the user's rights. The user can neither
/// read its memory nor keep it alive after the agent. Throws Error{refused}.
void become_in_child(const JobUser& user);

}  // namespace cardswap
