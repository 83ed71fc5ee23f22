#pragma once

#include "agent/api/router.h"
#include "agent/follow/outcomes.h"

namespace cardswap::follow {

/// Adds GET /v1/jobs/{name}/outcome and POST /v1/jobs/{name}/signal, and the routes
/// /v1/peer/outcomes/..., by which the agents of other hosts ask. Both must outlive the router.
void add_outcome_routes(Router& router, Outcomes& outcomes);

}  // namespace cardswap::follow
