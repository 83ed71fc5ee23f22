#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/jobs/job.h"

namespace cardswap {

/// Tells the instance's runtime which gradient log it is to keep, and which snapshot that may count
/// on; nothing if it has said that it does so. Asked again and again, it tells that at most once a
/// second. Does nothing if the runtime is not attached.
void send_log_order(RuntimeHub& hub, Instance& instance);

}  // namespace cardswap
