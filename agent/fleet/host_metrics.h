#pragma once

#include "agent/base/config.h"
#include "agent/base/exposition.h"
#include "agent/jobs/cordon.h"

namespace cardswap {

/// Writes cardswap_cordoned, for each device of the agent.
void write_metrics(Exposition& out, const Cordons& cordons, const Config& config);

}  // namespace cardswap
