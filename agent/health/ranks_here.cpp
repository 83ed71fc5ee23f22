#include "agent/health/ranks_here.h"

#include <algorithm>

namespace cardswap::health {

std::string uid_in_engine(const Instance& instance) {
  const auto& job = instance.job();
  return job.world_size > 1 ? job.name() + "@" + instance.device() : job.uid();
}

std::vector<RankHere> ranks_here(const JobList& jobs, const std::string& job,
                                 const std::string& device) {
  std::vector<RankHere> all;
  for (const auto* instance : jobs.instances()) {
    const bool is_it = instance->name() == job && instance->device() == device;
    if (!is_it || !instance->is_live() || !instance->job().is_current()) continue;
    if (instance->job().world_size <= 1) continue;
    for (const auto& [rank, one] : instance->ranks) {
      if (one.moved_to.empty()) all.push_back({rank, one.state_bytes});
    }
  }
  std::ranges::sort(all, {}, &RankHere::rank);
  return all;
}

}  // namespace cardswap::health
