#include "agent/handover/target/requester.h"

#include <fmt/format.h>

#include "agent/base/address.h"
#include "agent/handover/base/data_plane.h"

namespace cardswap {

Requester requester_of(const Caller& caller, const std::string& from, const std::string& from_api) {
  Requester requester{from, callback_address(from_api, caller.came_from)};
  if (caller.role != ApiRole::agent || caller.hosts.empty()) return requester;
  const auto host = from.substr(0, from.find('/'));
  const bool is_same = host == caller.name || host.starts_with(caller.name + ".") ||
                       caller.name.starts_with(host + ".");
  if (!is_same && !caller.is_for(host)) {
    requester.from = from.empty() ? caller.name : fmt::format("{} (says {})", caller.name, from);
  }
  const auto address = address_from(requester.from_api, kAgentPort, true);
  if (address && address->host != caller.came_from && !caller.is_for(address->host)) {
    requester.from_api = Address{caller.came_from, address->port}.text();
  }
  return requester;
}

}  // namespace cardswap
