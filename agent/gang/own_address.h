#pragma once

#include <string>

#include "agent/base/config.h"

namespace cardswap::gang {

/// HOST:PORT at which the agents of other ranks reach this one; empty: it has no port. An agent
/// that listens at every address names one of its host's; its name, where it has none but loopback.
[[nodiscard]] std::string own_agent_address(const Config& config);

}  // namespace cardswap::gang
