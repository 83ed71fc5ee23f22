#pragma once

#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// Adds the call POST /v1/restores, which starts a job that goes on from a snapshot: a migration
/// whose source is `cardswap-keeper`, which stands at the snapshot's step. All references must
/// outlive the router.
void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config);

}  // namespace cardswap
