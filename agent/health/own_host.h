#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/config.h"

namespace cardswap::health {

/// What the outside may call this host.
struct OwnHost {
  std::vector<std::string> names;      ///< short or FQDN
  std::vector<std::string> addresses;  ///< that no other host has
  /// Addresses of this host that others have too: those of bridges for containers, service
  /// addresses. Like loopback they name nobody.
  std::vector<std::string> shared;

  enum class Is { us, another, nobody };
  /// Whom `said` names: "node7", "NODE7.cluster:9400", "10.0.0.7:9100",
  /// "https://[fd00::7]/metrics". A short name is the FQDN's first part. Nobody: loopback, an
  /// index, a word for "unknown".
  [[nodiscard]] Is who(std::string_view said) const;
  /// Whether `said` is an IP address, with or without a port.
  [[nodiscard]] static bool is_address(std::string_view said);
};

/// As the agent was started and as its interfaces are now.
[[nodiscard]] OwnHost own_host(const Config& config);

}  // namespace cardswap::health
