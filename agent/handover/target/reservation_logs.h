#pragma once

#include "agent/handover/target/reservation_list.h"
#include "agent/jobs/job_list.h"

/// The logs that failed reservations leave on the disk: one each, in the job's folder.
namespace cardswap {

/// Removes the logs of standbys that failed, except the latest 20 of each agent that asked for
/// them: a log may tell why it failed.
void prune_logs(ReservationList& reservations, JobList& jobs);
/// Removes the logs of standbys that have no reservation and no job any more. For the others,
/// writes the job's name into the reservation, because records of earlier releases lack it.
void take_up_logs(ReservationList& reservations, JobList& jobs, const Config& config);

}  // namespace cardswap
