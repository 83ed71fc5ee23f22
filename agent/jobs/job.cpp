#include "agent/jobs/job.h"

#include <algorithm>

namespace cardswap {

bool Job::is_live() const { return std::ranges::any_of(instances, &Instance::is_live); }

std::vector<pid_t> still_alive(const Instance& instance) {
  std::vector<pid_t> found;
  if (instance.is_live()) return found;
  if (may_be_alive(instance.program())) found.push_back(instance.program().pid);
  for (const auto& process : instance.remains) {
    if (process.pid != instance.program().pid && may_be_alive(process))
      found.push_back(process.pid);
  }
  return found;
}

}  // namespace cardswap
