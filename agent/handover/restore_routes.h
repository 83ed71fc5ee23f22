#pragma once

#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// POST /v1/restores: a job that goes on from a snapshot. It is a migration whose source is
/// `cardswap-keeper`, which stands at that step. All of it must outlive the router.
void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config);

}  // namespace cardswap
