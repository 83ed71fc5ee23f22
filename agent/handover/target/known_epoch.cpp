#include "agent/handover/target/known_epoch.h"

#include <algorithm>

namespace cardswap::handover {

Epoch known_epoch(const std::string& uid, const JobList& jobs, const Migrations& migrations,
                  const ReservationList& reservations) {
  Epoch known = 0;
  for (const auto& job : jobs.all()) {
    if (job.uid() != uid || uid.empty()) continue;
    known = std::max(known, job.newer_epoch);
    // A standby has no epoch until it is granted one.
    if (!job.standby) known = std::max(known, job.epoch);
    for (const auto& instance : job.instances) {
      const auto* r = reservations.find(instance);
      if (r != nullptr && r->is_granted()) known = std::max(known, r->epoch());
    }
  }
  for (const auto& m : migrations.all()) {
    if (m.record().job_uid != uid || uid.empty()) continue;
    if (is_committed(m.state()) || m.state() == SourceState::superseded)
      known = std::max(known, m.epoch());
    if (is_given_up(m.state())) known = std::max(known, m.own_epoch());
  }
  return known;
}

}  // namespace cardswap::handover
