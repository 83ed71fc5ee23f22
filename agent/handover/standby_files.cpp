#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "agent/handover/migrations.h"
#include "agent/handover/reservations.h"
#include "agent/jobs/open_files.h"
#include "migrator/core/utf8.h"

namespace cardswap {
namespace {

constexpr std::size_t kFilesTold = 8;
constexpr std::size_t kWarningMax = 2000;  // other agents shorten longer texts

/// Names of files are any bytes.
std::string bounded(std::string text) {
  if (text.size() > kWarningMax) text.resize(kWarningMax);
  return as_utf8(std::move(text));
}

}  // namespace

/// A standby runs its program's first lines while the job trains: a log that it opened to write
/// from the beginning is the job's own, truncated. Nothing is stopped for it: the file may be
/// another one.
void Reservations::look_at_files(Reservation& r, const Instance& standby) {
  auto files = written_over(open_files_of(standby.process.pid), {standby.log_path});
  if (files.empty()) return;
  const auto more = files.size() > kFilesTold ? files.size() - kFilesTold : 0;
  if (more > 0) files.resize(kFilesTold);
  r.warning = bounded(fmt::format(
      "the standby of job {} on {} has opened {}{} to write before its first boundary, not at the "
      "end: if the job writes there too, what it wrote is overwritten; open logs to append, and "
      "write other files only where session.is_standby() is false",
      r.job, config_.host_name, fmt::join(files, ", "),
      more > 0 ? fmt::format(" and {} more", more) : ""));
  spdlog::warn("migration {}: {}", r.migration, r.warning);
  if (tell_) {
    tell_({.kind = "standby_writes",
           .text = r.warning,
           .job = r.job,
           .device = standby.device,
           .migration = r.migration});
  }
}

/// The target's agent has told its own operators; these are the job's.
void Migrations::note_warning(const Migration& m, Transfer& transfer, std::string warning) const {
  if (warning.empty()) return;
  transfer.warning = bounded(std::move(warning));
  spdlog::warn("job {} migration {}: {}", m.spec.job, m.id, transfer.warning);
  if (tell_) {
    tell_(
        {.kind = "standby_writes", .text = transfer.warning, .job = m.spec.job, .migration = m.id});
  }
}

}  // namespace cardswap
