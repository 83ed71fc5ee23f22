#include "agent/snapshots/recovery_context.h"

#include "migrator/base/error.h"

namespace cardswap::snapshots {

bool has_pending_recovery(const Job& job) { return job.recovery.is_pending() && job.is_current(); }

Job& pending_job(JobList& jobs, const std::string& job_id) {
  auto* job = jobs.by_record(job_id);
  if (job != nullptr && has_pending_recovery(*job) && jobs.find(job->name()) == job) return *job;
  throw Error(Code::cancelled, "somebody else has decided about the job meanwhile");
}

}  // namespace cardswap::snapshots
