#include "agent/snapshots/snapshot_metrics.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "agent/base/units.h"

namespace cardswap::snapshots {

namespace {

/// Of all jobs: one that goes on from a store need not be protected.
void write_recoveries(Exposition& out, const JobList& jobs) {
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    out.family(name, Exposition::Type::counter, help);
    std::set<std::string> told;
    for (const auto& job : jobs.all()) {
      const bool is_here = job.is_live() || job.recovery.is_under_way();
      if (!is_here || !job.is_current() || !told.insert(job.name()).second) continue;
      out.sample(static_cast<double>(value(job.recovery)), {{"job", job.name()}});
    }
  };
  each("cardswap_recoveries_total", "Times that a job went on from a snapshot after its end.",
       [](const RecoveryNotes& notes) { return notes.recovered; });
  each("cardswap_lost_steps_total", "Steps that a job had taken and that no snapshot had.",
       [](const RecoveryNotes& notes) { return notes.lost_steps_total; });
}

/// Of jobs whose program has told of its gradient log.
void write_logs(Exposition& out, const std::vector<const Job*>& jobs) {
  const auto each = [&](std::string_view name, Exposition::Type type, std::string_view help,
                        auto value) {
    out.family(name, type, help);
    for (const auto* job : jobs) {
      const auto& logged = job->first().logged;
      if (logged) out.sample(static_cast<double>(value(*logged)), {{"job", job->name()}});
    }
  };
  using Logged = channel::Logged;
  each("cardswap_log_step", Exposition::Type::gauge,
       "The last step of a job that its gradient log has.",
       [](const Logged& logged) { return logged.to; });
  each("cardswap_log_behind_steps", Exposition::Type::gauge,
       "Steps that wait to be written to the gradient log.",
       [](const Logged& logged) { return logged.behind; });
  each("cardswap_log_dropped_steps_total", Exposition::Type::counter,
       "Steps that the gradient log has left out, since the log began.",
       [](const Logged& logged) { return logged.dropped; });
  each("cardswap_log_bytes", Exposition::Type::gauge, "Bytes of the gradient log that are kept.",
       [](const Logged& logged) { return logged.kept_bytes; });
  each("cardswap_log_wait_seconds_total", Exposition::Type::counter,
       "Time for which steps stood for the gradient log, since the log began.",
       [](const Logged& logged) { return logged.waited_ms / 1000; });
}

}  // namespace

void write_metrics(Exposition& out, const JobList& jobs) {
  std::vector<const Job*> all;
  for (const auto& job : jobs.all()) {
    if (job.is_live() && job.spec.protection && job.is_current()) all.push_back(&job);
  }
  const auto each = [&](std::string_view name, Exposition::Type type, std::string_view help,
                        auto value) {
    out.family(name, type, help);
    for (const auto* job : all) out.sample(value(job->protection_notes), {{"job", job->name()}});
  };
  using Notes = ProtectionNotes;
  each("cardswap_snapshots_taken_total", Exposition::Type::counter,
       "Snapshots that a protected job's agent has taken by itself.",
       [](const Notes& notes) { return static_cast<double>(notes.taken); });
  each("cardswap_snapshots_failed_total", Exposition::Type::counter,
       "Snapshots of a protected job that came to nothing.",
       [](const Notes& notes) { return static_cast<double>(notes.failed); });
  write_recoveries(out, jobs);
  write_logs(out, all);
  out.family("cardswap_snapshot_age_seconds", Exposition::Type::gauge,
             "Time since a protected job's last snapshot was in its store.");
  for (const auto* job : all) {
    const auto& notes = job->protection_notes;
    if (notes.number == 0) continue;
    const auto age_ms = std::max<std::int64_t>(unix_ms() - notes.at_ms, 0);
    out.sample(static_cast<double>(age_ms) / 1000, {{"job", job->name()}});
  }
}

}  // namespace cardswap::snapshots
