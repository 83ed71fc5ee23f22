#pragma once

#include <string>
#include <string_view>

namespace cardswap::report {

/// Writes `content` to `file` so that a reader sees all of it or what was there before: to a file
/// beside it that then takes its name. "-" is stdout; a pipe or a device is written to as it is.
/// Throws Error{io}.
void write_output(const std::string& file, std::string_view content);

}  // namespace cardswap::report
