#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cardswap {

/// A network interface of this host.
struct NetInterface {
  std::string name;
  std::vector<std::string> addresses;  ///< numeric ones, except link-local IPv6 ones
  bool is_loopback = false;
  bool is_up = true;
  std::vector<std::string> link_local = {};  ///< link-local IPv6 ones, without a zone
};

/// The interfaces that have an address of any kind, also one that NetInterface does not show; by
/// name. Empty if the kernel does not tell.
[[nodiscard]] std::vector<NetInterface> net_interfaces();
/// The RDMA ports of this host, as UCX names them, sorted: "mlx5_0:1". `devices`: where the kernel
/// lists them. Empty: there are none, or the folder cannot be read.
[[nodiscard]] std::vector<std::string> rdma_ports(
    const std::filesystem::path& devices = "/sys/class/infiniband");

}  // namespace cardswap
