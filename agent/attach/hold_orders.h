#pragma once

#include "agent/api/router.h"
#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// Tells the instance's runtime where it is to stand, or to go on; nothing if it stands there, or
/// does not stand and is to stand nowhere. Does nothing if the runtime is not attached: when it
/// attaches again it is told.
void send_hold(RuntimeHub& hub, const Instance& instance);

/// Adds the route POST /v1/jobs/{name}/resume: a job that stands at a step, or is to, goes on. Its
/// field hold_at is the next step to stand at. All references must outlive the router.
void add_hold_routes(Router& router, Jobs& jobs, RuntimeHub& hub, const Config& config);

}  // namespace cardswap
