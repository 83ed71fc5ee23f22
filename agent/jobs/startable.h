#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "agent/process/process.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Why start_process() would fail for `spec`, found without starting the program; nothing if it
/// would succeed. A child becomes the user, goes to the folder and asks the kernel whether it might
/// execute the program; nothing is written. What does not answer within 2 s is an answer, too.
/// Throws Error{io} when there is no child.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_startable(ProcessSpec spec);

}  // namespace cardswap
