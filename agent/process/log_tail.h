#pragma once

#include <filesystem>
#include <string>

namespace cardswap {

/// Returns the last 400 bytes of a log as UTF-8, for the text of an error, with '|' for line ends.
/// Empty if there is no log, or if somebody replaced it.
[[nodiscard]] std::string log_tail(const std::filesystem::path& log);

}  // namespace cardswap
