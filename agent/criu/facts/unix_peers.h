#pragma once

#include <cstdint>
#include <map>

namespace cardswap::criu {

/// Connected unix sockets of this network namespace and the inodes of their other ends, as the
/// kernel's socket diagnosis tells them; empty where it does not.
[[nodiscard]] std::map<std::uint64_t, std::uint64_t> unix_peers();

}  // namespace cardswap::criu
