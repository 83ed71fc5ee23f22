#include "agent/handover/base/epochs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace cardswap::handover {

Epoch known_epoch(const std::string& uid, const Jobs& jobs, const Migrations& migrations,
                  const ReservationList& reservations) {
  Epoch known = 0;
  for (const auto& job : jobs.all()) {
    if (job.uid() != uid || uid.empty()) continue;
    known = std::max(known, job.newer_epoch);
    // A standby has no epoch until it is granted one.
    if (!job.standby) known = std::max(known, job.epoch);
    for (const auto& instance : job.instances) {
      const auto* r = reservations.of(instance);
      if (r != nullptr && r->granted()) known = std::max(known, r->side.record().epoch);
    }
  }
  for (const auto& m : migrations.all()) {
    if (m.job_uid != uid || uid.empty()) continue;
    if (is_committed(m.state()) || m.state() == State::superseded)
      known = std::max(known, m.epoch());
    if (is_given_up(m.state())) known = std::max(known, m.own_epoch());
  }
  return known;
}

bool check_attach(Instance& primary, Epoch told, Jobs& jobs, const Migrations& migrations,
                  const Reservations& reservations) {
  auto& job = primary.job();
  const auto known = known_epoch(job.uid(), jobs, migrations, reservations.list());
  const bool decided = std::ranges::any_of(migrations.all(), [&](const Migration& m) {
    return m.of(primary.id) != nullptr && is_committed(m.state());
  });
  const auto may = attach(job.epoch, told, known, decided);
  if (may != Attach::refused) return may == Attach::granted;
  const auto newer = std::max(known, told);
  const auto text = fmt::format(
      "the runtime of job {} came back under epoch {}, and epoch {} of it was granted: it stands "
      "for good; `cardswap stop {}` ends it",
      job.name(), job.epoch, newer, job.name());
  spdlog::error("{}", text);
  jobs.emit_event({"two_epochs", text, job.name(), primary.device, {}});
  jobs.fence(job, newer);
  throw Error(Code::conflict,
              fmt::format("epoch {} of job {} was granted elsewhere", newer, job.name()));
}

}  // namespace cardswap::handover
