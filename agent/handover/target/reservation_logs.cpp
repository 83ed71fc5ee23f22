#include "agent/handover/target/reservation_logs.h"

#include <map>
#include <set>
#include <string>

#include "agent/base/validate.h"

namespace cardswap {
namespace {

namespace fs = std::filesystem;
using handover::TargetState;

/// How many logs of one maker stay, the latest. They are counted by maker, because a maker can use
/// any number of job names.
constexpr std::size_t kLogsOfMaker = 20;

/// The migration of a standby's log, or of the exit status beside it; empty: it is neither.
std::string migration_of(const fs::path& file) {
  const auto name = file.stem().string();
  if (!name.starts_with("log-") || (file.has_extension() && file.extension() != ".exit")) return {};
  auto id = name.substr(4);
  return validate::is_migration_id(id) ? id : std::string();
}

}  // namespace

void prune_logs(ReservationList& reservations, JobList& jobs) {
  std::map<std::string_view, std::size_t> of_maker;
  const auto all = reservations.items();
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    auto& r = **at;
    if (r.state() != TargetState::failed || r.log_gone || r.record().job.empty()) continue;
    if (++of_maker[r.record().owner] <= kLogsOfMaker) continue;
    r.log_gone = jobs.standby_logs().forget(r.record().job, r.migration());
  }
}

void take_up_logs(ReservationList& reservations, JobList& jobs, const Config& config) {
  std::map<std::string_view, Reservation*> known;
  for (auto* r : reservations.items()) known.emplace(r->migration(), r);
  std::error_code gone;
  for (const auto& folder : fs::directory_iterator(config.job_dir("x").parent_path(), gone)) {
    if (folder.is_symlink(gone) || !folder.is_directory(gone)) continue;
    const auto name = folder.path().filename().string();
    std::set<std::string> ids;
    for (const auto& file : fs::directory_iterator(folder.path(), gone)) {
      ids.insert(migration_of(file.path()));
    }
    ids.erase(std::string());
    for (const auto& id : ids) {
      if (const auto found = known.find(id); found != known.end()) {
        reservations.note(*found->second, [&](ReservationNotes& notes) { notes.job = name; });
      } else {
        (void)jobs.standby_logs().forget(name, id);
      }
    }
  }
}

}  // namespace cardswap
