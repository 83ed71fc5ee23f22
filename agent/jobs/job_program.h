#pragma once

#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/jobs/job.h"
#include "agent/process/process.h"

namespace cardswap {

/// The command line, folder, user and environment of a job's program on this host, as far as they
/// are the same for each of its instances. Throws Error{refused} for a user that this host does not
/// know or the agent may not become.
[[nodiscard]] ProcessSpec program_of(const JobSpec& job, const Config& config);

/// What program_of(JobSpec) tells, and what is an instance's own: its log, its device and its place
/// at the agent. `stand_in`: the command line of a program that runs in place of the job's; empty:
/// none. Throws as the other.
[[nodiscard]] ProcessSpec program_of(const Instance& instance, const Config& config,
                                     std::vector<std::string> stand_in);

}  // namespace cardswap
