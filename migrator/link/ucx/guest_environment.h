#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace cardswap::ucx {

/// Settings of UCX for a program that is not ours: UCX is a guest there and must install no signal
/// handler, hook no allocator, mount nothing and write nothing to stdout. UCX reads them when it is
/// loaded, so the starter of the program sets those that its environment does not have.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kGuestEnvironment{{
    {"UCX_HANDLE_ERRORS", "none"},
    {"UCX_ERROR_SIGNALS", ""},
    {"UCX_MEM_EVENTS", "n"},
    {"UCX_VFS_ENABLE", "n"},
    {"UCX_LOG_FILE", "stderr"},
    {"UCX_LOG_LEVEL", "fatal"},
}};

}  // namespace cardswap::ucx
