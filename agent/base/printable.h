#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// Makes foreign text safe for one line of a terminal or a log. Control characters (C1 too) and
/// characters that change the direction of text are escaped, as \x1b or \u202e; a byte that is not
/// UTF-8 becomes '?'. Other text is unchanged.
[[nodiscard]] std::string printable(std::string_view text);
/// Makes text safe like printable(), but keeps line feeds and tabs.
[[nodiscard]] std::string shown_lines(std::string_view text);
/// Makes the first `bytes_max` bytes safe like printable(), with "..." after them where more
/// follow.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t bytes_max = 256);
/// Joins the first 16 texts with commas, and counts the rest: "7, 8 and 120 more".
[[nodiscard]] std::string first_of(const std::vector<std::string>& all);

}  // namespace cardswap
