#pragma once

#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// Adds the route POST /v1/jobs/{name}/resume: a job that stands at a step, or is to, goes on. Its
/// field hold_at is the next step to stand at. All references must outlive the router.
void add_hold_routes(Router& router, Jobs& jobs, const Migrations& migrations, RuntimeHub& hub,
                     const Config& config);

}  // namespace cardswap
