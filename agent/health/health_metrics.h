#pragma once

#include "agent/base/exposition.h"
#include "agent/health/monitor.h"

namespace cardswap::health {

/// Writes the monitor's families of /metrics: cardswap_health_... and cardswap_breaker_open.
void write_metrics(Exposition& out, const Monitor& monitor);

}  // namespace cardswap::health
