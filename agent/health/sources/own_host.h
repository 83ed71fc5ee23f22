#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap::health {

/// The names and addresses by which others call this host.
struct OwnHost {
  std::vector<std::string> names;      ///< short names or FQDNs
  std::vector<std::string> addresses;  ///< addresses that only this host has
  /// Addresses of this host that other hosts have, too: of container bridges or services. Like
  /// loopback, they name no host.
  std::vector<std::string> shared;

  /// Which host a text names.
  enum class Match { us, another, nobody };
  /// Which host `said` names: "node7", "NODE7.cluster:9400", "10.0.0.7:9100",
  /// "https://[fd00::7]/metrics". A short name equals the first label of an FQDN. Loopback and
  /// shared addresses, a number, and texts for "unknown" name nobody.
  [[nodiscard]] Match match(std::string_view said) const;
  /// Whether `said` is an IP address, with or without a port.
  [[nodiscard]] static bool is_address(std::string_view said);
};

/// The names of this host from the agent's configuration, and its addresses from the present
/// network interfaces.
[[nodiscard]] OwnHost own_host(const Config& config);

}  // namespace cardswap::health
