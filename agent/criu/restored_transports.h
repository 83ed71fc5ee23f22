#pragma once

#include <string>

namespace cardswap::criu {

/// The UCX transports and devices for the data link of a restored process
/// (channel::BeginSync::transports). UCX in that process remembers the host on which it was
/// started, and would use shared memory and the loopback device to reach processes of that host. So
/// the value excludes shared memory and names the devices; loopback only if `peer` is a loopback
/// address. `configured` (UCX_TLS) is used if it is not empty, with these devices.
[[nodiscard]] std::string transports_of_restored(const std::string& configured,
                                                 const std::string& peer);

}  // namespace cardswap::criu
