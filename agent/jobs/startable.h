#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Why start_process() would fail for `spec`, found without starting the program; nullopt if it
/// would succeed. A child process becomes the user, enters the folder and asks the kernel whether
/// it might execute the program; nothing is written. If that takes more than 2 s, that is the error
/// returned. Throws Error{io, internal} when there can be no child or it ends without an answer.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_startable(ProcessSpec spec);

}  // namespace cardswap
