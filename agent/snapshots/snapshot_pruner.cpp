#include "agent/snapshots/snapshot_pruner.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "agent/base/failure_of.h"
#include "agent/base/units.h"
#include "agent/jobs/user_policy.h"
#include "agent/snapshots/protected_job.h"
#include "agent/snapshots/prune_in_child.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

/// A prune of the job's snapshots, with the rights of the user that its program runs as.
PruneWork prune_work_of(const Job& job, const Config& config, const Migrations& migrations) {
  const auto& order = *job.spec.protection;
  PruneWork work{order.store, job.name(), order.keep, order.grace_ms / 1000, {}, std::nullopt};
  for (const auto& m : migrations.all()) {
    const bool is_its = m.spec().store == order.store && m.spec().job == job.name();
    if (is_its && handover::is_over(m.state())) work.ended_writers.push_back(m.id());
  }
  work.user = user_of_job(config, job.spec.user);
  return work;
}

/// What a prune says: the reason for which it has removed nothing, or nothing after logging what it
/// has.
std::string told_of(const PruneOutcome& outcome, const std::string& job) {
  if (!outcome.kept_back_by.empty()) {
    return fmt::format(
        "nothing is removed, because something is damaged: {}; `cardswap verify` names all of it",
        outcome.kept_back_by);
  }
  if (outcome.snapshots + outcome.removed > 0) {
    spdlog::info("job {}: {} given up, {} removed", job, counted(outcome.snapshots, "snapshot"),
                 counted(outcome.removed, "object"));
  }
  return {};
}

}  // namespace

void SnapshotPruner::start(const Job& job) {
  if (!running_.insert(job.id).second) return;  // the next snapshot begins another one
  context_.tasks.spawn("prune the snapshots of " + job.name(), prune(job.id));
}

asio::awaitable<void> SnapshotPruner::prune(std::string job_id) {
  const auto* job = find_protected(context_.jobs, job_id);
  if (job != nullptr) {
    const auto name = job->name();
    auto pruned = prune_in_child(prune_work_of(*job, context_.config, context_.migrations));
    const auto came = co_await tried(context_.tasks, std::move(pruned));
    note(job_id, came.error ? came.error->what() : told_of(*came.value, name));
  }
  running_.erase(job_id);
}

void SnapshotPruner::note(const std::string& job_id, const std::string& failure) {
  auto* job = find_protected(context_.jobs, job_id);
  if (job == nullptr || job->protection_notes.prune_error == failure) return;
  auto notes = job->protection_notes;
  notes.prune_error = failure;
  context_.jobs.note_protection(*job, std::move(notes));
  if (failure.empty()) return;
  const auto text = fmt::format("job {}: its snapshots are not pruned: {}", job->name(), failure);
  spdlog::warn("{}", text);
  context_.events.emit({.kind = "prune_failed", .text = text, .job = job->name()});
}

}  // namespace cardswap::snapshots
