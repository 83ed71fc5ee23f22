#include "migrator/link/ucx/net_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>

namespace cardswap::ucx {

std::string devices_to(const std::string& allowed_addresses,
                       const std::vector<NetInterface>& interfaces,
                       const std::vector<std::string>& rdma_ports) {
  std::set<std::string> theirs;
  std::istringstream words(allowed_addresses);
  for (std::string word; words >> word;) theirs.insert(word);
  if (theirs.contains("127.0.0.1") || theirs.contains("::1")) return {};
  const auto is_theirs = [&](const std::string& address) { return theirs.contains(address); };
  std::vector<std::string> kept;
  bool leaves_out = false;
  for (const auto& one : interfaces) {
    if (!one.is_up || one.addresses.empty()) continue;
    if (std::ranges::all_of(one.addresses, is_theirs)) {
      leaves_out = true;
    } else {
      kept.push_back(one.name);
    }
  }
  if (kept.empty() || !leaves_out) return {};
  std::ranges::copy(rdma_ports, std::back_inserter(kept));
  return fmt::format("{}", fmt::join(kept, ","));
}

}  // namespace cardswap::ucx
