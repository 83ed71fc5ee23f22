#pragma once

#include <string_view>

namespace cardswap::channel {

/// The obstacle of a program that tracks nothing. Its runtime sends the program's name and this
/// text, and its agent recognizes by the text that only the whole process can be moved.
inline constexpr std::string_view kMovesWhole =
    "it calls nothing of Cardswap, and so no standby can take it over";
inline constexpr std::string_view kMovesWholeHint =
    "--arrive criu moves its process whole; docs/python.md has the lines for a standby";

}  // namespace cardswap::channel
