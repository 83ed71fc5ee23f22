#pragma once

#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// Adds the route POST /v1/jobs/{name}/rollback: it reads a snapshot of the job, stops the job, and
/// starts it again from that snapshot, on a branch of its own and under a higher epoch. All
/// references must outlive the router.
void add_rollback_routes(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                         const Config& config);

}  // namespace cardswap
