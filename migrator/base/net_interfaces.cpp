#include "migrator/base/net_interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

namespace cardswap {
namespace {

bool is_link_local_v6(const sockaddr* address) {
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

/// The address as text. Empty: not IP.
std::string numeric(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address->sa_family == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else if (address->sa_family == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

/// The names in a folder. One that cannot be read, or goes away meanwhile, has no more.
std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  return names;
}

}  // namespace

std::vector<NetInterface> net_interfaces() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(raw, &::freeifaddrs);
  std::map<std::string, NetInterface> found;
  for (const auto* one = all.get(); one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr) continue;
    auto& entry = found[one->ifa_name];
    entry.name = one->ifa_name;
    entry.is_loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    entry.is_up = (one->ifa_flags & IFF_UP) != 0;
    auto address = numeric(one->ifa_addr);
    if (address.empty()) continue;
    auto& list = is_link_local_v6(one->ifa_addr) ? entry.link_local : entry.addresses;
    list.push_back(std::move(address));
  }
  std::vector<NetInterface> result;
  for (auto& [name, entry] : found) result.push_back(std::move(entry));
  return result;
}

std::vector<std::string> rdma_ports(const std::filesystem::path& devices) {
  std::vector<std::string> result;
  for (const auto& device : names_in(devices)) {
    for (const auto& port : names_in(devices / device / "ports")) {
      result.push_back(device + ":" + port);
    }
  }
  std::ranges::sort(result);
  return result;
}

}  // namespace cardswap
