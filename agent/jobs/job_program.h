#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"
#include "agent/process/process.h"

namespace cardswap {

/// The command line, user and environment with which the program of an instance is started here.
/// `stand_in`: the command line of a program that runs in place of the job's; empty: none. Throws
/// Error{refused} for a user that this host does not know or the agent may not become.
[[nodiscard]] ProcessSpec program_of(const Instance& instance, const Config& config,
                                     std::vector<std::string> stand_in);

}  // namespace cardswap
