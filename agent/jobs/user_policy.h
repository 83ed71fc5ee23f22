#pragma once

#include <string>

#include "agent/api/access.h"
#include "agent/config.h"

namespace cardswap {

/// Whether a caller may have a job run as `user` (empty: as the agent is set up). With --job-user,
/// nothing runs as root but for root itself: not for operators, not for another host's agent.
/// Throws Error{refused}.
void check_may_run_as(const Config& config, const std::string& user, const Caller& caller);

}  // namespace cardswap
