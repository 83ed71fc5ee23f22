#pragma once

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// Adds the routes /v1/jobs... . All references must outlive the router.
void add_job_routes(Router& router, Jobs& jobs, const Cordons& cordons, const Config& config);

}  // namespace cardswap
