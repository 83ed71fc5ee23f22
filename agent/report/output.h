#pragma once

#include <string>
#include <string_view>

namespace cardswap::report {

/// Writes `content` to `file` so that a reader sees all of it or what was there before: to a file
/// beside it that then takes its name, and the mode of an own file that had it. "-" is stdout; a
/// pipe or a device is written to as it is, where it is this user's or root's. A link of another
/// user's is not followed. Throws Error{io}.
void write_output(const std::string& file, std::string_view content);

}  // namespace cardswap::report
