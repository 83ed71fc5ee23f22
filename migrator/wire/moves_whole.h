#pragma once

#include <string_view>

namespace cardswap::channel {

/// The obstacle of a program that says nothing of its state: its runtime puts these words behind
/// the program's name, and its agent knows by them that the process itself has to move.
inline constexpr std::string_view kMovesWhole =
    "it calls nothing of Cardswap, and so no standby can take it over";
inline constexpr std::string_view kMovesWholeHint =
    "--arrive criu moves its process whole; docs/python.md has the lines for a standby";

/// What the program that keeps a process' state for a store says of itself.
inline constexpr std::string_view kKeeper = "keeper";

}  // namespace cardswap::channel
