#include "agent/jobs/job_program.h"

#include <utility>

#include "agent/jobs/user_policy.h"
#include "agent/process/program_beside.h"
#include "migrator/base/environment.h"
#include "migrator/link/ucx/guest_environment.h"

namespace cardswap {

ProcessSpec program_of(const JobSpec& job, const Config& config) {
  ProcessSpec spec;
  spec.argv = job.argv;
  spec.env = job.env;
  spec.cwd = job.cwd.empty() ? std::string("/") : job.cwd;
  spec.no_new_privs = config.no_new_privs;
  // Empty in a record of an agent that had no --job-user: that user is not to become this one's.
  spec.user = user_of_job(config, job.user);
  if (spec.user) {
    spec.env["HOME"] = spec.user->home;
    spec.env["USER"] = spec.env["LOGNAME"] = spec.user->name;
  }
  return spec;
}

ProcessSpec program_of(const Instance& instance, const Config& config,
                       std::vector<std::string> stand_in) {
  const auto& job = instance.job();
  auto spec = program_of(job.spec, config);
  spec.dies_with_agent = job.standby || !stand_in.empty();
  if (!stand_in.empty()) spec.argv = std::move(stand_in);
  spec.log = instance.record().log_path;
  spec.env[environment::kSocket] = config.runtime_socket().string();
  spec.env[environment::kJob] = job.name();
  spec.env[environment::kToken] = instance.record().token;
  spec.env[environment::kRole] = job.standby ? environment::kStandby : environment::kPrimary;
  spec.env[environment::kArrive] = to_string(job.spec.arrive);
  spec.env[environment::kDevice] = instance.device();
  spec.env[environment::kCommand] = program_beside("cardswap").string();
  spec.env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";  // so that cuda:1 there is NVML's second, as here
  for (const auto& [key, value] : ucx::kGuestEnvironment) spec.env.emplace(key, value);
  return spec;
}

}  // namespace cardswap
