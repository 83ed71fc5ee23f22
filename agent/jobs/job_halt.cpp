#include "agent/jobs/job_halt.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include "agent/process/process_tree.h"
#include "migrator/base/error.h"

namespace cardswap {

void reapply_halt(const Job& job) {
  for (const auto& instance : job.instances) {
    signal_group(instance.program(), SIGSTOP);
    try {
      for (const auto pid : tree_of(instance.program())) ::kill(pid, SIGSTOP);
    } catch (const Error& error) {
      spdlog::error("job {} is to be halted for good, and may go on: {}", job.name(), error.what());
    }
  }
}

}  // namespace cardswap
