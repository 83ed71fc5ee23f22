#pragma once

#include "agent/base/exposition.h"
#include "agent/health/monitor.h"

namespace cardswap::health {

/// The monitor's part of /metrics: cardswap_health_... and cardswap_breaker_open.
void write_metrics(Exposition& out, const Monitor& monitor);

}  // namespace cardswap::health
