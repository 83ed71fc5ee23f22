#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Tells the instance's runtime where it is to stand, unless it stands there, or is to stand
/// nowhere and does not. Does nothing if the runtime is not attached: when it attaches again it is
/// told.
void send_hold(RuntimeHub& hub, const Instance& instance);

}  // namespace cardswap
