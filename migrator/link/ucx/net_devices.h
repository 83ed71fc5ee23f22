#pragma once

#include <string>
#include <vector>

namespace cardswap::ucx {

/// A network interface of this host, with its numeric addresses, but no link-local ones.
struct Interface {
  std::string name;
  std::vector<std::string> addresses;
};

/// The interfaces that are up.
[[nodiscard]] std::vector<Interface> interfaces();
/// The RDMA ports, as UCX names them: "mlx5_0:1".
[[nodiscard]] std::vector<std::string> rdma_ports();

/// UCX_NET_DEVICES without the interfaces all of whose addresses the other side's host has too:
/// such an address, as of a bridge that Docker makes on each host, leads nobody there, and UCX
/// tries it. Empty, as UCX chooses: there is none, there are no others, or the other side is on
/// this host, which `peers`, as LinkOptions has them, then says with 127.0.0.1 or ::1. Pure.
[[nodiscard]] std::string devices_to(const std::string& peers,
                                     const std::vector<Interface>& interfaces,
                                     const std::vector<std::string>& rdma_ports);

}  // namespace cardswap::ucx
