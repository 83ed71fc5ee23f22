#pragma once

#include "agent/api/router.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/jobs.h"

namespace cardswap {

/// The name in place of a device for the stand-in that gives the state back: it is on none.
inline constexpr const char* kFromStore = "store";

/// Adds the call POST /v1/restores, which starts a job that goes on from a snapshot: a migration
/// whose source is `cardswap-keeper`, which stands at the snapshot's step. All references must
/// outlive the router.
void add_restore_calls(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                       const Config& config);

}  // namespace cardswap
