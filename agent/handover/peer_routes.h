#pragma once

#include "agent/api/router.h"
#include "agent/criu/move_tools.h"
#include "agent/handover/base/data_plane.h"
#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"

namespace cardswap {

/// Adds the routes /v1/peer/..., by which agents reserve, grant, drop and ask for a decision. All
/// references must outlive the router.
void add_peer_routes(Router& router, Migrations& migrations, Reservations& reservations,
                     criu::MoveTools& criu, DataPlane& data_plane, RankMoves& rank_moves);

}  // namespace cardswap
