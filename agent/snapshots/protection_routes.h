#pragma once

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap::snapshots {

/// Adds the routes by which operators protect a job and end that. All references must outlive the
/// router.
void add_protection_routes(Router& router, Jobs& jobs, const Migrations& migrations,
                           const Config& config);

}  // namespace cardswap::snapshots
