#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// Everything up to the end of `pipe`, `max` bytes and a piece at most; nothing when that does not
/// come within `limit`. Throws system_error{operation_aborted} when the coroutine is cancelled.
[[nodiscard]] boost::asio::awaitable<std::optional<std::string>> text_through(
    Descriptor pipe, std::size_t max, std::chrono::milliseconds limit);

}  // namespace cardswap
