#pragma once

#include "agent/base/agent_event.h"
#include "agent/gang/gang_record.h"

namespace cardswap::gang {

/// What an operator is told of a gang in `state`, which waits for somebody or has lost a rank.
[[nodiscard]] AgentEvent alert_of(GangState state, const GangRecord& gang);

}  // namespace cardswap::gang
