#include "agent/snapshots/recovery_start.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/base/units.h"
#include "agent/handover/restore.h"
#include "agent/snapshots/recovery_events.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

/// Above all epochs of the job that this host knows, and above that of the snapshot.
std::uint64_t epoch_above(const RecoveryContext& context, const Job& job,
                          std::uint64_t of_snapshot) {
  auto known = std::max(job.epoch, of_snapshot);
  for (const auto& other : context.jobs.table().all()) {
    if (other.uid() == job.uid()) known = std::max(known, other.epoch);
  }
  for (const auto& m : context.migrations.all()) {
    if (m.record().job_uid == job.uid()) known = std::max({known, m.epoch(), m.own_epoch()});
  }
  return known + 1;
}

/// Why that migration did not bring the job to its program. Nullopt: it did, or it is forgotten.
std::optional<Error> failure_of(const Migrations& migrations, const std::string& migration) {
  if (!migrations.has(migration)) return std::nullopt;
  const auto& ended = migrations.at(migration);
  if (ended.state() == handover::SourceState::completed) return std::nullopt;
  return ended.record().error.value_or(Error(Code::internal, "it was given up"));
}

/// Has the recovery of a program that got the job and ended before its first step tried again, in
/// the record that the job has now. Its end may have ordered that already.
void try_arrival_again(const RecoveryContext& context, Job& job, const Error& error) {
  const bool has_ended = !job.is_live() && !job.stop_asked;
  if (has_ended && job.recovery.state == RecoveryState::arriving) {
    JobList::order_recovery(job, job.recovery.reason);
    context.jobs.table().note_recovery(job, job.recovery);
  }
  if (job.recovery.tries >= kRecoveryTriesMax) give_up_recovery(context, job, error);
}

/// The latest migration by which the job was sent to its program. Empty: it is forgotten.
std::string latest_move_of(const Migrations& migrations, const Job& job) {
  std::string latest;
  for (const auto& m : migrations.all()) {
    if (m.record().job_uid == job.uid() && m.spec().store.empty()) latest = m.id();
  }
  return latest;
}

}  // namespace

asio::awaitable<void> start_from_snapshot(RecoveryContext context, std::string job_id,
                                          SnapshotChoice choice, std::string device) {
  auto& jobs = context.jobs.table();
  auto& job = pending_job(jobs, job_id);
  const auto ref = *choice.ref;
  const auto name = job.name();
  const auto instance = job.first().id();
  const auto epoch = epoch_above(context, job, ref.epoch);
  JobList::set_origin(job, to_string(ref.manifest), choice.branch);
  auto notes = job.recovery;
  notes.number = ref.number;
  notes.step = ref.step;
  notes.log_step = choice.log_step;
  notes.store = choice.store;
  jobs.note_recovery(job, std::move(notes));
  jobs.raise_epoch(job, epoch);
  const RestoreContext parts{context.jobs, context.migrations, context.tasks, context.config};
  RestoreAgainOrder order{instance,
                          name,
                          std::move(device),
                          choice.store,
                          to_string(ref.manifest),
                          {choice.log_step, choice.log_branch}};
  const auto migration = co_await restore_again(parts, std::move(order));
  co_await context.migrations.wait_until_over(migration);
  const auto failed = failure_of(context.migrations, migration);
  if (!failed) co_return;
  context.jobs.processes().kill(instance);
  auto* now = jobs.find(name);  // that of the program, if it had got the job
  if (now != nullptr && now->id != job_id) try_arrival_again(context, *now, *failed);
  throw Error(*failed);
}

asio::awaitable<void> start_anew(RecoveryContext context, std::string job_id, std::string device) {
  auto& jobs = context.jobs.table();
  auto instance = pending_job(jobs, job_id).first().id();
  std::vector<std::string> own_program;
  co_await context.jobs.processes().start_again(std::move(instance), std::move(device),
                                                std::move(own_program));
  auto* job = jobs.by_record(job_id);
  if (job == nullptr || !has_pending_recovery(*job)) co_return;  // somebody has stopped it
  auto notes = job->recovery;
  notes.state = RecoveryState::begun_anew;
  notes.step = notes.number = 0;
  jobs.note_recovery(*job, std::move(notes));
  tell_begun_anew(context, *job);
}

asio::awaitable<void> settle_arrival(RecoveryContext context, std::string job_id) {
  auto& jobs = context.jobs.table();
  const auto* arriving = jobs.by_record(job_id);
  if (arriving == nullptr) co_return;
  const auto migration = latest_move_of(context.migrations, *arriving);
  if (context.migrations.has(migration)) co_await context.migrations.wait_until_over(migration);
  auto* job = jobs.by_record(job_id);
  if (job == nullptr) co_return;
  if (const auto failed = failure_of(context.migrations, migration)) {
    try_arrival_again(context, *job, *failed);
  } else {
    conclude_recovery(context, *job);
  }
}

void conclude_recovery(const RecoveryContext& context, Job& job) {
  if (job.recovery.state != RecoveryState::arriving) return;
  auto& jobs = context.jobs.table();
  const auto now_ms = unix_ms();
  jobs.note_recovery(job, notes_when_recovered(job.recovery, now_ms));
  const auto& notes = job.recovery;
  if (job.spec.protection && job.spec.protection->store == notes.store) {
    // As if that snapshot had been its last: the next multiple of the interval is due.
    auto protection = job.protection_notes;
    // What is logged from here on leads on from a snapshot that is to come: at once.
    protection.number = notes.log_step == 0 ? notes.number : 0;
    protection.step = notes.step;
    protection.at_ms = now_ms;
    protection.restarts = job.restarts;
    protection.arrival_told = true;
    jobs.note_protection(job, std::move(protection));
  }
  tell_recovered(context, job);
}

void give_up_recovery(const RecoveryContext& context, Job& job, const Error& why) {
  if (!has_pending_recovery(job)) return;
  const auto hint = why.hint().empty() ? what_to_do(job) : why.hint();
  context.jobs.table().give_up_recovery(job, Error(why.code(), why.failure(), hint));
  tell_failed(context, job);
}

}  // namespace cardswap::snapshots
