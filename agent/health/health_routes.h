#pragma once

#include "agent/api/router.h"
#include "agent/health/monitor.h"

namespace cardswap::health {

/// POST /v1/alerts, GET /v1/health, POST /v1/health/clear, GET /v1/events. The monitor must outlive
/// the router.
void add_health_calls(Router& router, Monitor& monitor);

}  // namespace cardswap::health
