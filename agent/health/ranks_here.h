#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/jobs/job_list.h"

namespace cardswap::health {

/// A rank of a job of many on a device of this host.
struct RankHere {
  std::uint32_t rank = 0;
  std::uint64_t state_bytes = 0;
};

/// The uid by which the engine knows what moves with an instance: the job's own. All ranks of a job
/// of many that are on one device move together, whichever launcher or migration brought each, and
/// have one of their own.
[[nodiscard]] std::string uid_in_engine(const Instance& instance);
/// The ranks of the job `job` on `device`, in ascending order; empty: it is one process.
[[nodiscard]] std::vector<RankHere> ranks_here(const JobList& jobs, const std::string& job,
                                               const std::string& device);

}  // namespace cardswap::health
