#pragma once

#include "agent/api/router.h"
#include "agent/health/monitor.h"

namespace cardswap::health {

/// Adds POST /v1/alerts, GET /v1/health, POST /v1/health/clear and GET /v1/events. `monitor` must
/// outlive `router`.
void add_health_routes(Router& router, Monitor& monitor);

}  // namespace cardswap::health
