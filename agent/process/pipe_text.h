#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "migrator/base/descriptor.h"

namespace cardswap {

/// Reads `pipe` to its end, or until it has `max` bytes (it may return up to 4 KiB more). Nullopt
/// when that takes longer than `limit`. Throws system_error{operation_aborted} when the coroutine
/// is cancelled.
[[nodiscard]] boost::asio::awaitable<std::optional<std::string>> text_through(
    Descriptor pipe, std::size_t max, std::chrono::milliseconds limit);

}  // namespace cardswap
