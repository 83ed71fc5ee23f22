#pragma once

#include "agent/api/router.h"
#include "agent/base/config.h"
#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/job_list.h"

namespace cardswap {

/// Adds the routes /v1/migrations..., by which operators start, see and end migrations. All
/// references must outlive the router.
void add_migration_routes(Router& router, Migrations& migrations, Reservations& reservations,
                          JobList& jobs, RankMoves& rank_moves, const Config& config);

}  // namespace cardswap
