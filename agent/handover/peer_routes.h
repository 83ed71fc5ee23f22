#pragma once

#include "agent/api/router.h"
#include "agent/criu/host.h"
#include "agent/handover/base/data_plane.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"

namespace cardswap {

/// /v1/peer/...: what agents ask each other. All of it must outlive the router.
void add_peer_calls(Router& router, Migrations& migrations, Reservations& reservations,
                    criu::Host& criu, DataPlane& data_plane);

}  // namespace cardswap
