#include "agent/snapshots/protected_job.h"

namespace cardswap::snapshots {

bool is_protected(const Job& job) {
  return job.spec.protection && job.is_current() && job.is_live();
}

Job* find_protected(JobList& jobs, const std::string& job_id) {
  auto* job = jobs.by_record(job_id);
  return job != nullptr && is_protected(*job) ? job : nullptr;
}

}  // namespace cardswap::snapshots
