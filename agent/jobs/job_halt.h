#pragma once

#include "agent/jobs/job.h"

namespace cardswap {

/// Sends SIGSTOP to the processes of a job whose other copy steps under a higher epoch. It stops
/// those that live now: call it again when another process of the job attaches or is found.
void reapply_halt(const Job& job);

}  // namespace cardswap
