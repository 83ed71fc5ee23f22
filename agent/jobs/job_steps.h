#pragma once

#include <boost/asio/awaitable.hpp>

#include "agent/jobs/job_ends.h"
#include "agent/jobs/job_list.h"

namespace cardswap {

/// Writes the steps of jobs to disk, one job every three seconds, so that a crash of the host
/// leaves a recent step. Writes nothing while a job is frozen for its handover. Runs until
/// cancelled. `table` and `ends` must outlive it.
[[nodiscard]] boost::asio::awaitable<void> save_steps(JobList& table, const JobEnds& ends);

}  // namespace cardswap
