#include "agent/jobs/job_fence.h"

#include <signal.h>

#include "agent/process/process_tree.h"

namespace cardswap {

void reapply_fence(const Job& job) {
  for (const auto& instance : job.instances) {
    signal_group(instance.process(), SIGSTOP);
    if (!is_alive(instance.process())) continue;
    for (const auto pid : tree_of(instance.process())) ::kill(pid, SIGSTOP);
  }
}

}  // namespace cardswap
