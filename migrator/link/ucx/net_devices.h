#pragma once

#include <string>
#include <vector>

#include "migrator/base/net_interfaces.h"

namespace cardswap::ucx {

/// A value for UCX_NET_DEVICES that leaves out the interfaces all of whose addresses the host of
/// the other side has as well, such as a bridge that Docker makes on each host: UCX would try to
/// connect over them in vain. Interfaces that are down or have no address do not count.
/// `allowed_addresses` is as in LinkOptions. Empty (UCX chooses): no interface is to be left out,
/// all of them would be, or the other side is on this host (`allowed_addresses` has 127.0.0.1 or
/// ::1). Pure.
[[nodiscard]] std::string devices_to(const std::string& allowed_addresses,
                                     const std::vector<NetInterface>& interfaces,
                                     const std::vector<std::string>& rdma_ports);

}  // namespace cardswap::ucx
