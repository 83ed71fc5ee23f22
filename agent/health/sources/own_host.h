#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap::health {

/// The names of this host outside of it.
struct OwnHost {
  std::vector<std::string> names;      ///< short or FQDN
  std::vector<std::string> addresses;  ///< addresses that no other host has
  /// Addresses of this host that other hosts have too: bridges for containers, service addresses.
  /// They prove no host, as loopback proves none.
  std::vector<std::string> shared;

  /// The host that a name means.
  enum class Match { us, another, nobody };
  /// The host that `said` names: "node7", "NODE7.cluster:9400", "10.0.0.7:9100",
  /// "https://[fd00::7]/metrics". A short name is the FQDN's first part. Loopback, an
  /// index and words for "unknown" name nobody.
  [[nodiscard]] Match match(std::string_view said) const;
  /// Whether `said` is an IP address, with or without a port.
  [[nodiscard]] static bool is_address(std::string_view said);
};

/// The names of this host, from the agent's configuration and the present network interfaces.
[[nodiscard]] OwnHost own_host(const Config& config);

}  // namespace cardswap::health
