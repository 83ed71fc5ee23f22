#pragma once

#include "agent/jobs/job.h"

namespace cardswap {

/// Stops the processes of a job of which a copy steps under a higher epoch: those that are there
/// now. Called again when one attaches or is found later.
void reapply_halt(const Job& job);

}  // namespace cardswap
