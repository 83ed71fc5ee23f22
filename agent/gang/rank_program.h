#pragma once

#include <cstdint>

#include "agent/jobs/job.h"

namespace cardswap::gang {

/// What a start of the rank's own program needs, as its process runs now: a launcher such as
/// torchrun has given it arguments and variables (RANK, WORLD_SIZE, LOCAL_RANK, ...) that the job's
/// description does not have. Variables of this agent and of this host's own are left out. Throws
/// Error{conflict} if its process is gone or /proc tells nothing of it.
[[nodiscard]] JobSpec program_of_rank(const Instance& instance, std::uint32_t rank);

}  // namespace cardswap::gang
