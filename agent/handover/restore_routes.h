#pragma once

#include <cstdint>
#include <string>

#include "agent/api/router.h"
#include "agent/handover/restore.h"

namespace cardswap {

/// Reads the fields store, manifest and epoch, which say from which snapshot a job goes on, into
/// `order`. Throws Error{bad_request}.
void read_snapshot_fields(const ApiRequest& request, RestoreOrder& order);

/// Adds the route POST /v1/restores, which starts a job that goes on from a snapshot. Its fields
/// are name, argv, cwd, env, device, user and arrive, as of POST /v1/jobs, and the snapshot's
/// store, manifest and epoch, and hold_at and again_until, as JobSpec has them. Answers 202 with
/// the migration, after the snapshot was read (30 minutes at most); an error answer leaves no
/// process behind. All references must outlive the router.
void add_restore_routes(Router& router, Jobs& jobs, Migrations& migrations, TaskGroup& tasks,
                        const Config& config);

}  // namespace cardswap
