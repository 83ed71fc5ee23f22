#include "agent/gang/own_address.h"

#include "agent/base/address.h"
#include "agent/handover/base/data_plane.h"

namespace cardswap::gang {

std::string own_agent_address(const Config& config) {
  if (!config.has_port()) return {};
  if (!is_wildcard(config.listen_host)) return config.listen_address().text();
  for (const auto& host : own_addresses()) {
    const bool is_v6 = host.find(':') != std::string::npos;
    if (is_link_local(host) || (is_v6 && config.listen_host == "0.0.0.0")) continue;
    return Address{host, config.listen_port}.text();
  }
  return Address{config.host_name, config.listen_port}.text();
}

}  // namespace cardswap::gang
