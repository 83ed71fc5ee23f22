#include "agent/handover/attach_check.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "agent/handover/base/epochs.h"
#include "agent/handover/target/known_epoch.h"

namespace cardswap::handover {

bool check_attach(Instance& primary, Epoch reported, Jobs& jobs, const Migrations& migrations,
                  const Reservations& reservations, EventSink& events) {
  auto& job = primary.job();
  const auto known = known_epoch(job.uid(), jobs.table(), migrations, reservations.list());
  const bool decided = std::ranges::any_of(migrations.all(), [&](const Migration& m) {
    return m.find(primary.id()) != nullptr && is_committed(m.state());
  });
  const auto may = attach(job.epoch, reported, known, decided);
  if (may != Attach::refused) return may == Attach::granted;
  const auto newer = std::max(known, reported);
  const auto text = fmt::format(
      "the runtime of job {} came back under epoch {}, and epoch {} of it was granted: it stands "
      "for good; `cardswap stop {}` ends it",
      job.name(), job.epoch, newer, job.name());
  spdlog::error("{}", text);
  events.emit({"two_epochs", text, job.name(), primary.device(), {}});
  jobs.processes().halt_trainer(job, newer);
  throw Error(Code::conflict,
              fmt::format("epoch {} of job {} was granted elsewhere", newer, job.name()));
}

}  // namespace cardswap::handover
