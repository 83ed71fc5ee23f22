#pragma once

#include <string_view>

/// Hello::framework of the project's own programs that stand in for a job's process.
namespace cardswap::channel {

/// `cardswap-holder`, which receives the memory of a process that CRIU moves.
inline constexpr std::string_view kHolder = "holder";
/// `cardswap-keeper`, which receives a job's state for a store.
inline constexpr std::string_view kKeeper = "keeper";

}  // namespace cardswap::channel
