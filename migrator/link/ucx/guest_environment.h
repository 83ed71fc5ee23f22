#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace cardswap::ucx {

/// What UCX must be told before a program of somebody else loads it: there it is a guest, which
/// installs no signal handler, hooks no allocator, mounts nothing and writes nothing to stdout.
/// Whoever starts the program sets what the program's own environment leaves unset.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kGuestEnvironment{{
    {"UCX_HANDLE_ERRORS", "none"},
    {"UCX_ERROR_SIGNALS", ""},
    {"UCX_MEM_EVENTS", "n"},
    {"UCX_VFS_ENABLE", "n"},
    {"UCX_LOG_FILE", "stderr"},
    {"UCX_LOG_LEVEL", "fatal"},
}};

}  // namespace cardswap::ucx
