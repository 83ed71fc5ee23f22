#pragma once

#include <string>
#include <vector>

namespace cardswap::ucx {

/// A network interface of this host, with its numeric addresses except link-local IPv6 ones.
struct Interface {
  std::string name;
  std::vector<std::string> addresses;
};

/// The interfaces that are up and have such an address; empty when the kernel does not tell.
[[nodiscard]] std::vector<Interface> interfaces();
/// The RDMA ports, as UCX names them: "mlx5_0:1".
[[nodiscard]] std::vector<std::string> rdma_ports();

/// A value for UCX_NET_DEVICES that leaves out the interfaces whose addresses the host of the other
/// side has as well, such as a bridge that Docker makes on each host: UCX would try to connect over
/// them in vain. `peers` is as in LinkOptions. Empty (UCX chooses): no interface is to be left out,
/// all of them would be, or the other side is on this host (`peers` has 127.0.0.1 or ::1). Pure.
[[nodiscard]] std::string devices_to(const std::string& peers,
                                     const std::vector<Interface>& interfaces,
                                     const std::vector<std::string>& rdma_ports);

}  // namespace cardswap::ucx
