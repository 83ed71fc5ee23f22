#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"
#include "agent/process/process.h"

namespace cardswap {

/// How the program of an instance is started here: whose it is, and what its environment tells its
/// runtime. `stand_in`: runs in place of the job's program; or empty. Throws Error{bad_request} for
/// a user that this host does not know.
[[nodiscard]] ProcessSpec program_of(const Instance& instance, const Config& config,
                                     std::vector<std::string> stand_in);

}  // namespace cardswap
