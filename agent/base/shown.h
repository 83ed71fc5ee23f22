#pragma once

#include <string>
#include <string_view>

namespace cardswap {

/// Text that somebody else wrote, for a line of a terminal or a log: what either would obey
/// (control characters, C1 ones too, and what turns the direction of text) is written out, like
/// \x1b or \u202e; what is no UTF-8 is '?'. Text without them is unchanged.
[[nodiscard]] std::string shown(std::string_view text);
/// The same for many lines: line feeds and tabs stay.
[[nodiscard]] std::string shown_lines(std::string_view text);

}  // namespace cardswap
