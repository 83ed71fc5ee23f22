#include "agent/jobs/user_policy.h"

#include <fmt/format.h>

#include "agent/jobs/user.h"
#include "migrator/error.h"

namespace cardswap {

void check_may_run_as(const Config& config, const std::string& user, const Caller& caller) {
  if (config.job_user.empty() || user.empty() || user == config.job_user || caller.owner) return;
  if (job_user(user).uid != 0) return;
  throw Error(Code::refused, fmt::format("{} may not run jobs as {} here", caller.name, user),
              fmt::format("leave --user out: jobs of this agent run as {}", config.job_user));
}

}  // namespace cardswap
