#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cardswap {

/// Makes text of another author safe for one line of a terminal or a log. Control characters (C1
/// too) and characters that change the direction of text are written out, as \x1b or \u202e; a byte
/// that is not UTF-8 becomes '?'. Other text is unchanged.
[[nodiscard]] std::string printable(std::string_view text);
/// Makes many lines safe in the same way: line feeds and tabs stay.
[[nodiscard]] std::string shown_lines(std::string_view text);
/// Makes the first `bytes_max` bytes safe in the same way, with "..." after them where more follow.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t bytes_max = 256);
/// "7, 8 and 120 more": the first 16 of many, with commas between them.
[[nodiscard]] std::string first_of(const std::vector<std::string>& all);

}  // namespace cardswap
