#pragma once

#include <string>

namespace cardswap::criu {

/// What a restored process may take its data link over, for channel::BeginSync::transports: UCX in
/// it remembers the host on which it was started, and takes shared memory and the loopback device
/// for a way to every process there. So no shared memory, and the devices by name: the loopback's
/// only where `peer` is a loopback address. `configured` (UCX_TLS) stays where it is not empty.
[[nodiscard]] std::string transports_of_restored(const std::string& configured,
                                                 const std::string& peer);

}  // namespace cardswap::criu
