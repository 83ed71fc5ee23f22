#pragma once

#include <list>

#include "agent/handover/target/reservation_list.h"
#include "agent/jobs/job_table.h"

/// What places that came to nothing leave on the disk: a log each, and its folder.
namespace cardswap {

/// Removes the logs of standbys that failed, but for the latest of each maker, for whoever asks
/// why.
void prune_logs(std::list<Reservation>& reservations, JobTable& jobs);
/// Removes the logs that no reservation and no job is known of any more: they are of nobody's. Says
/// of the others whose folder they are in, which records of earlier releases do not.
void resume_logs(ReservationList& reservations, JobTable& jobs, const Config& config);

}  // namespace cardswap
