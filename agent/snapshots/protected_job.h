#pragma once

#include <string>

#include "agent/jobs/job_list.h"

namespace cardswap::snapshots {

/// Whether it is the copy of a protected job that steps.
[[nodiscard]] bool is_protected(const Job& job);

/// The protected job of that record. Null: it is gone, or not protected any more.
[[nodiscard]] Job* find_protected(JobList& jobs, const std::string& job_id);

}  // namespace cardswap::snapshots
