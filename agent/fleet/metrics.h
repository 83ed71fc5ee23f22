#pragma once

#include "agent/config.h"
#include "agent/fleet/cordon.h"
#include "agent/metrics/exposition.h"

namespace cardswap {

/// cardswap_cordoned, for each device of the agent.
void write_metrics(Exposition& out, const Cordons& cordons, const Config& config);

}  // namespace cardswap
