#include "migrator/link/ucx/net_devices.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <sstream>

namespace cardswap::ucx {
namespace {

/// The address as text. Empty: no address, not IP, or link-local.
std::string numeric(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  } else if (address->sa_family == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address);
    if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr)) return {};
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

}  // namespace

std::vector<Interface> interfaces() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all(raw, &::freeifaddrs);
  std::map<std::string, std::vector<std::string>> found;
  for (const auto* one = all.get(); one != nullptr; one = one->ifa_next) {
    auto address = numeric(one->ifa_addr);
    if (address.empty() || (one->ifa_flags & IFF_UP) == 0) continue;
    found[one->ifa_name].push_back(std::move(address));
  }
  std::vector<Interface> result;
  for (auto& [name, addresses] : found) result.push_back({name, std::move(addresses)});
  return result;
}

std::vector<std::string> rdma_ports() {
  namespace fs = std::filesystem;
  std::vector<std::string> result;
  std::error_code none;
  for (const auto& device : fs::directory_iterator("/sys/class/infiniband", none)) {
    for (const auto& port : fs::directory_iterator(device.path() / "ports", none)) {
      result.push_back(device.path().filename().string() + ":" + port.path().filename().string());
    }
  }
  return result;
}

std::string devices_to(const std::string& peers, const std::vector<Interface>& interfaces,
                       const std::vector<std::string>& rdma_ports) {
  std::set<std::string> theirs;
  std::istringstream words(peers);
  for (std::string word; words >> word;) theirs.insert(word);
  if (theirs.contains("127.0.0.1") || theirs.contains("::1")) return {};
  const auto is_theirs = [&](const std::string& address) { return theirs.contains(address); };
  std::vector<std::string> kept;
  for (const auto& one : interfaces) {
    if (!std::ranges::all_of(one.addresses, is_theirs)) kept.push_back(one.name);
  }
  if (kept.empty() || kept.size() == interfaces.size()) return {};
  std::ranges::copy(rdma_ports, std::back_inserter(kept));
  return fmt::format("{}", fmt::join(kept, ","));
}

}  // namespace cardswap::ucx
