#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/jobs/job_ends.h"
#include "agent/jobs/job_table.h"

namespace cardswap {

/// Writes down how far jobs are, one job every three seconds, for the case that nobody can be asked
/// any more. Until cancelled. `table` outlives it, and so does `ends`, which is asked whose a job
/// is.
[[nodiscard]] boost::asio::awaitable<void> save_steps(JobTable& table, const JobEnds& ends);

}  // namespace cardswap
