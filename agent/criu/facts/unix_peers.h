#pragma once

#include <cstdint>
#include <map>

namespace cardswap::criu {

/// The inodes of the connected unix sockets of this network namespace, each with the inode of its
/// other end, by the kernel's socket diagnosis (sock_diag). Empty where that is not available.
[[nodiscard]] std::map<std::uint64_t, std::uint64_t> unix_peers();

}  // namespace cardswap::criu
