#include "agent/snapshots/recoverer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "agent/base/backoff.h"
#include "agent/base/failure_of.h"
#include "agent/snapshots/copy_end.h"
#include "agent/snapshots/recovery_events.h"
#include "agent/snapshots/recovery_search.h"
#include "agent/snapshots/recovery_start.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLookAgain{1};
constexpr std::chrono::hours kLookAgainUnasked{1};

/// Whether the job can have left no snapshot: then its first step is where it begins.
bool may_begin_anew(const Job& job, const SnapshotChoice& choice) {
  const auto& spec = job.spec;
  if (choice.ref || !spec.restored_from.empty() || spec.first_snapshot != 0) return false;
  return spec.fallback_store.empty() || choice.has_none_at_all;
}

/// Tells of each snapshot that was passed over, once.
void tell_skipped(const RecoveryContext& context, const std::string& job_id,
                  const SnapshotChoice& choice, std::set<std::string>& told) {
  const auto& job = pending_job(context.jobs.table(), job_id);
  for (const auto& text : choice.passed_over) {
    if (!told.insert(text).second) continue;
    tell(context, "snapshot_skipped", job, fmt::format("job {}: {}", job.name(), text));
  }
}

/// What became of a recovery that is over, as recover() returns it.
std::optional<Error> outcome_of(const Job& job) {
  const auto& notes = job.recovery;
  switch (notes.state) {
    case RecoveryState::recovered:
    case RecoveryState::begun_anew:
      if (job.is_live()) return std::nullopt;
      return Error(Code::source_lost, "it went on, and has ended since");
    case RecoveryState::failed: return Error(Code::source_lost, notes.error, notes.hint);
    default: return Error(Code::source_lost, "it was given up: the job was stopped, or has ended");
  }
}

}  // namespace

void Recoverer::start() {
  const auto& recovery = context_.recovery;
  for (const auto& job : recovery.jobs.table().all()) {
    if (job.recovery.state != RecoveryState::arriving || !job.is_current()) continue;
    recovery.tasks.spawn("settle the recovery of " + job.name(), settle_arrival(recovery, job.id));
  }
  recovery.tasks.spawn("recover jobs", watch());
}

asio::awaitable<void> Recoverer::watch() {
  auto& jobs = context_.recovery.jobs.table();
  while (true) {
    std::vector<std::string> due;
    for (const auto& job : jobs.all()) {
      if (has_pending_recovery(job) && !running_.contains(job.id)) due.push_back(job.id);
    }
    for (const auto& id : due) {
      running_.insert(id);
      context_.recovery.tasks.spawn("recover the job of record " + id, run_recovery(id));
    }
    co_await jobs.changed().wait_until(Clock::now() + kLookAgainUnasked);
  }
}

DeviceChoice Recoverer::device_for(const Job& job) const {
  const auto& notes = job.recovery;
  const auto& first = job.first().record();
  const auto& host = context_.recovery.config.host_name;
  PlacementJob wanted;
  wanted.name = job.name();
  wanted.host = host;
  wanted.device = notes.is_pending() ? notes.device : first.device;
  wanted.kind = wanted.device.substr(0, wanted.device.find(':'));
  wanted.state_bytes = notes.is_pending() ? notes.state_bytes : first.state_bytes;
  return choose_recovery_device(
      wanted, devices_to_recover_on(context_.recovery.jobs.devices(), context_.cordons, host,
                                    context_.is_usable));
}

asio::awaitable<std::optional<Error>> Recoverer::recover(std::string job_name, std::string reason) {
  auto& jobs = context_.recovery.jobs.table();
  auto* job = jobs.find(job_name);
  if (job == nullptr) throw Error(Code::not_found, fmt::format("there is no job {}", job_name));
  const auto uid = job->uid();
  if (!job->recovery.is_under_way()) {
    const auto before = job->recovery;
    JobList::order_recovery(*job, reason);
    try {
      jobs.save(*job);
    } catch (...) {
      jobs.note_recovery(*job, before);
      throw;
    }
    jobs.changed().notify();
  }
  while (true) {
    co_await jobs.changed().wait_until(Clock::now() + kLookAgain);
    job = jobs.find(job_name);
    if (job == nullptr || job->uid() != uid) {
      co_return Error(Code::cancelled, fmt::format("job {} is gone", job_name));
    }
    if (!job->recovery.is_under_way()) co_return outcome_of(*job);
  }
}

asio::awaitable<void> Recoverer::run_recovery(std::string job_id) {
  auto& jobs = context_.recovery.jobs.table();
  const auto* job = jobs.by_record(job_id);
  const auto name = job != nullptr ? job->name() : std::string();
  auto started = try_until_started(job_id);  // where this agent ends, the next one goes on with it
  const auto failed = co_await failure_of(context_.recovery.tasks, std::move(started));
  running_.erase(job_id);
  // Once it has gone on, the record is that of the program, which has taken over.
  auto* now = failed ? jobs.by_record(job_id) : jobs.find(name);
  if (now == nullptr) co_return;
  if (failed) {
    give_up_recovery(context_.recovery, *now, *failed);
  } else {
    conclude_recovery(context_.recovery, *now);
  }
}

asio::awaitable<void> Recoverer::try_until_started(std::string job_id) {
  const auto& recovery = context_.recovery;
  auto& jobs = recovery.jobs.table();
  tell_recovering(recovery, pending_job(jobs, job_id));
  // A copy that runs is ended only where something goes on in its place.
  if (pending_job(jobs, job_id).first().is_live()) {
    const auto found = co_await find_snapshot_of(recovery, job_id, SearchDepth::bytes);
    if (!found.ref) throw no_usable_snapshot(pending_job(jobs, job_id), found);
  }
  co_await end_copy(recovery, job_id);
  {
    auto& job = pending_job(jobs, job_id);
    auto notes = job.recovery;
    notes.last_step = std::max(notes.last_step, job.first().record().step);  // it stepped until now
    jobs.note_recovery(job, std::move(notes));
  }
  // The sender reads and proves every byte, beside the start of the program: they are read here
  // only where that came to nothing, for there may be an older snapshot that is whole.
  auto depth = SearchDepth::manifest;
  auto choice = co_await find_snapshot_of(recovery, job_id, depth);
  std::set<std::string> told;
  tell_skipped(recovery, job_id, choice, told);
  Backoff retry(kRecoveryRetryFirst, kRecoveryRetryMax);
  while (true) {
    const auto& job = pending_job(jobs, job_id);
    const auto placed = device_for(job);
    if (placed.device.empty()) throw no_usable_device(job, placed.why_none, recovery.config);
    if (may_begin_anew(job, choice)) {
      co_await start_anew(recovery, job_id, placed.device);
      co_return;
    }
    if (!choice.ref) throw no_usable_snapshot(job, choice);
    auto started = start_from_snapshot(recovery, job_id, choice, placed.device);
    const auto failed = co_await failure_of(recovery.tasks, std::move(started));
    if (!failed) co_return;
    if (std::exchange(depth, SearchDepth::bytes) == SearchDepth::manifest) {
      co_await end_copy(recovery, job_id);
      auto found = co_await find_snapshot_of(recovery, job_id, depth);
      const bool is_other = found.ref != choice.ref || found.store != choice.store;
      choice = std::move(found);
      tell_skipped(recovery, job_id, choice, told);
      if (is_other) continue;  // its bytes were at fault, and not the start
    }
    count_try(job_id, *failed);
    // What the log does not lead to again is not tried again: the snapshot alone is older, and
    // whole.
    choice.log_step = 0;
    co_await end_copy(recovery, job_id);
    co_await retry.wait();
  }
}

void Recoverer::count_try(const std::string& job_id, const Error& failed) {
  auto& jobs = context_.recovery.jobs.table();
  auto& job = pending_job(jobs, job_id);
  auto notes = job.recovery;
  ++notes.tries;
  const auto tries = notes.tries;
  spdlog::warn("job {}: start {} of {} from snapshot {} of step {} came to nothing: {}", job.name(),
               tries, kRecoveryTriesMax, notes.number, notes.step, failed.what());
  jobs.note_recovery(job, std::move(notes));
  if (tries >= kRecoveryTriesMax) throw Error(failed);
}

}  // namespace cardswap::snapshots
