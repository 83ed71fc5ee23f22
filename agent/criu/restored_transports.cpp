#include "agent/criu/restored_transports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "agent/base/address.h"
#include "migrator/base/net_interfaces.h"

namespace cardswap::criu {

std::string transports_of_restored(const std::string& configured, const std::string& peer) {
  const bool loopback = is_loopback(peer);
  std::set<std::string> devices;
  for (auto& one : net_interfaces()) {
    if (one.is_up && one.is_loopback == loopback) devices.insert(std::move(one.name));
  }
  if (!loopback) {
    for (auto& port : rdma_ports()) devices.insert(std::move(port));
  }
  const auto transports = configured.empty() ? "^sm" : configured;
  return devices.empty() ? transports : fmt::format("{}@{}", transports, fmt::join(devices, ","));
}

}  // namespace cardswap::criu
