#include "agent/snapshots/recovery_search.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "agent/base/backoff.h"
#include "agent/jobs/user_policy.h"

namespace cardswap::snapshots {
namespace {

/// Notes the job's very first snapshot, which may have come to be after its end.
void note_first_stored(const RecoveryContext& context, Job& job) {
  const auto& spec = job.spec;
  if (!spec.protection || spec.first_snapshot != 0 || !spec.restored_from.empty()) return;
  std::uint64_t first = 0;
  for (const auto& m : context.migrations.all()) {
    const auto& record = m.record();
    const bool is_its = record.result == MigrationResult::stored && record.job_uid == job.uid() &&
                        record.spec.store == spec.protection->store;
    if (is_its && (first == 0 || record.stored.number < first)) first = record.stored.number;
  }
  if (first != 0) context.jobs.table().note_first_snapshot(job, first);
}

/// Whether a snapshot of the job is known; what else is there under its name is of another run.
bool may_have_snapshot(const JobSpec& spec) {
  return !spec.fallback_store.empty() || !spec.restored_from.empty() || spec.first_snapshot != 0;
}

SnapshotSearch search_of(const Job& job, const Config& config, SearchDepth depth) {
  SnapshotSearch search;
  search.depth = depth;
  search.job = job.name();
  search.stores = stores_of(job.spec);
  // What is under its name in a store that has no snapshot of this run yet is not the job's.
  if (job.spec.protection && !is_own_store(job.spec)) search.stores.erase(search.stores.begin());
  search.line = {job.spec.branch, job.spec.restored_from, store::run_of(job.uid())};
  search.user = user_of_job(config, job.spec.user);
  return search;
}

}  // namespace

asio::awaitable<SnapshotChoice> find_snapshot_of(RecoveryContext context, std::string job_id,
                                                 SearchDepth depth) {
  Backoff retry(kRecoveryRetryFirst, kRecoveryRetryMax);
  for (std::uint32_t tries = 1;; ++tries) {
    auto& job = pending_job(context.jobs.table(), job_id);
    note_first_stored(context, job);
    if (!may_have_snapshot(job.spec)) co_return SnapshotChoice{};
    auto choice = co_await find_snapshot_to_go_on(search_of(job, context.config, depth));
    if (!choice.is_store_away || tries >= kRecoveryTriesMax) co_return choice;
    spdlog::warn("job {}: a store cannot be asked, try {} of {}: {}",
                 pending_job(context.jobs.table(), job_id).name(), tries, kRecoveryTriesMax,
                 fmt::join(choice.passed_over, "; "));
    co_await retry.wait();
  }
}

}  // namespace cardswap::snapshots
