#pragma once

#include <spdlog/formatter.h>

#include <memory>

namespace cardswap {

/// One JSON object a line: {"time", "level", "message"}. The message may hold anything; what is no
/// UTF-8 in it becomes '?'.
[[nodiscard]] std::unique_ptr<spdlog::formatter> json_log_format();

}  // namespace cardswap
