#include "agent/criu/data_devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <filesystem>
#include <memory>
#include <set>

#include "agent/base/address.h"

namespace cardswap::criu {
namespace {

std::set<std::string> network_devices(bool loopback) {
  ifaddrs* raw = nullptr;
  std::set<std::string> names;
  if (::getifaddrs(&raw) != 0) return names;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(raw, &::freeifaddrs);
  for (const auto* each = all.get(); each != nullptr; each = each->ifa_next) {
    const bool is_loopback = (each->ifa_flags & IFF_LOOPBACK) != 0;
    const bool is_up = (each->ifa_flags & IFF_UP) != 0 && each->ifa_addr != nullptr;
    if (is_up && is_loopback == loopback) names.insert(each->ifa_name);
  }
  return names;
}

void add_rdma_ports(std::set<std::string>& names) {
  std::error_code none;
  for (const auto& device : std::filesystem::directory_iterator("/sys/class/infiniband", none)) {
    for (const auto& port : std::filesystem::directory_iterator(device.path() / "ports", none)) {
      names.insert(device.path().filename().string() + ":" + port.path().filename().string());
    }
  }
}

}  // namespace

std::string transports_of_restored(const std::string& configured, const std::string& peer) {
  const bool loopback = is_loopback(peer);
  auto devices = network_devices(loopback);
  if (!loopback) add_rdma_ports(devices);
  const auto transports = configured.empty() ? "^sm" : configured;
  return devices.empty() ? transports : fmt::format("{}@{}", transports, fmt::join(devices, ","));
}

}  // namespace cardswap::criu
