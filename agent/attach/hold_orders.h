#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Tells the instance's runtime where it is to stand, or to go on; nothing if it stands there, or
/// does not stand and is to stand nowhere. Does nothing if the runtime is not attached: when it
/// attaches again it is told.
void send_hold(RuntimeHub& hub, const Instance& instance);

}  // namespace cardswap
