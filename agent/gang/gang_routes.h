#pragma once

#include "agent/api/router.h"
#include "agent/gang/gangs.h"

namespace cardswap::gang {

/// The most ranks that a job may have here.
inline constexpr std::uint64_t kRanksMax = 1U << 20;

/// Adds the routes /v1/peer/gangs/..., by which a conductor orders the agents of ranks, and by
/// which these ask for its decision, and have it do what an operator asks of them. Both must
/// outlive the router.
void add_gang_routes(Router& router, Gangs& gangs);

}  // namespace cardswap::gang
