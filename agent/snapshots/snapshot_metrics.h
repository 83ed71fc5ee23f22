#pragma once

#include "agent/base/exposition.h"
#include "agent/jobs/job_list.h"

namespace cardswap::snapshots {

/// Writes the metrics of protected jobs.
void write_metrics(Exposition& out, const JobList& jobs);

}  // namespace cardswap::snapshots
