#include "agent/snapshots/protector.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "agent/attach/log_orders.h"
#include "agent/base/failure_of.h"
#include "agent/base/units.h"
#include "agent/snapshots/protected_job.h"
#include "agent/snapshots/schedule.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLookEvery{100};
constexpr std::chrono::hours kIdle{1};         // a job that becomes protected wakes the watch
constexpr milliseconds kPutOff{1'000};         // something of the job is under way, or comes first
constexpr milliseconds kPutOffByHand{10'000};  // somebody has cancelled one

/// Whether a snapshot that came to nothing says nothing against the next one.
bool is_no_failure(const MigrationRecord& record) {
  const auto code = record.error ? record.error->code() : Code::internal;
  return code == Code::cancelled || code == Code::source_lost || record.job_ended;
}

std::string host_in(const std::string& place) { return place.substr(0, place.find('/')); }

}  // namespace

void Protector::start() { context_.tasks.spawn("protect jobs", watch()); }

asio::awaitable<void> Protector::watch() {
  while (true) {
    for (const auto& job : context_.jobs.all()) {
      if (!is_protected(job) || activities_.contains(job.id)) continue;
      activities_.try_emplace(job.id);
      context_.tasks.spawn("protect job " + job.name(), protect(job.id));
    }
    co_await context_.jobs.changed().wait_until(Clock::now() + kIdle);
  }
}

asio::awaitable<void> Protector::protect(std::string job_id) {
  while (find_protected(job_id) != nullptr) {
    try {
      co_await look_at(job_id);
    } catch (...) {  // the next look may fare better
      if (context_.tasks.is_stopping()) throw;
      spdlog::error("protect jobs: {}", error_of(std::current_exception()).what());
    }
    co_await context_.jobs.changed().wait_until(Clock::now() + kLookEvery);
  }
  activities_.erase(job_id);
  // Of a job whose protection has ended: its log ends.
  if (auto* job = context_.jobs.by_record(job_id); job != nullptr && job->is_live()) {
    send_log_order(context_.hub, job->first());
  }
}

Job* Protector::find_protected(const std::string& job_id) {
  return snapshots::find_protected(context_.jobs, job_id);
}

bool Protector::may_begin(const Job& job) const {
  const auto& source = job.first();
  const bool has_state = source.reported || source.record().state_bytes != 0;
  return source.is_live() && source.attached && has_state && !source.frozen &&
         !source.is_snapshot_sender() && !job.stop_asked && !job.recovery.is_under_way() &&
         job.migration.empty() && context_.migrations.find_running(source) == nullptr;
}

asio::awaitable<void> Protector::look_at(std::string job_id) {
  auto* job = find_protected(job_id);
  if (job == nullptr) co_return;
  tell_of_arrival(*job);
  see_own_end(*job);
  note_others(*job);
  plan_interval(*job);
  see_to_the_log(*job);
  const auto& notes = job->protection_notes;
  const ScheduleView now{job->first().record().step, job->restarts, unix_ms()};
  if (!may_try(notes, now.now_ms) || !may_begin(*job)) co_return;
  if (!is_due(*job->spec.protection, notes, now)) co_return;
  auto begun = begin_snapshot(job_id);
  const auto failed = co_await failure_of(context_.tasks, std::move(begun));
  job = find_protected(job_id);
  if (!failed || job == nullptr) co_return;
  if (failed->code() == Code::conflict) {
    put_off(*job, kPutOff);
  } else {
    note_failure(*job, *failed);
  }
}

asio::awaitable<void> Protector::begin_snapshot(std::string job_id) {
  const auto* job = find_protected(job_id);
  if (job == nullptr) co_return;
  MigrationRequest wanted;
  wanted.spec.job = job->name();
  wanted.spec.store = job->spec.protection->store;
  wanted.spec.max_stall_ms = 0;
  wanted.yields_to_moves = true;
  auto ready = co_await context_.migrations.prepare(std::move(wanted));
  job = find_protected(job_id);
  if (job == nullptr || !may_begin(*job)) co_return;  // it has changed while this waited
  activities_[job_id].migration = context_.migrations.start(std::move(ready)).id();
}

void Protector::tell_of_arrival(Job& job) {
  if (job.protection_notes.arrival_told) return;
  auto notes = job.protection_notes;
  notes.arrival_told = true;
  context_.jobs.note_protection(job, std::move(notes));
  const auto from = host_in(job.first().record().came_from);
  if (from.empty() || from == context_.config.host_name) return;
  const auto text = fmt::format(
      "job {} came from {} with its protection: its snapshots go to {} of {} from now on; unless "
      "that is the same folder, those of before stay on {}",
      job.name(), from, job.spec.protection->store, context_.config.host_name, from);
  spdlog::info("{}", text);
  context_.events.emit({.kind = "protection_moved", .text = text, .job = job.name()});
}

/// Others are people, an agent before this one, and the keeper of a job that has moved within this
/// host.
void Protector::note_others(Job& job) {
  // An order that was given anew has forgotten what there is.
  auto& seen = activities_[job.id].seen_changes;
  const auto changes = context_.migrations.changes();
  if (std::exchange(seen, changes) == changes && job.protection_notes.number != 0) return;
  for (const auto& m : context_.migrations.all()) {
    const auto& record = m.record();
    if (record.result != MigrationResult::stored || record.job_uid != job.uid()) continue;
    if (record.spec.store != job.spec.protection->store) continue;
    if (record.ended_at_ms > job.protection_notes.at_ms) note_stored(job, record, false);
  }
}

void Protector::see_own_end(Job& job) {
  auto& activity = activities_[job.id];
  if (activity.migration.empty()) return;
  if (!context_.migrations.has(activity.migration)) {
    activity.migration.clear();
    return;
  }
  const auto& record = context_.migrations.at(activity.migration).record();
  if (!handover::is_over(record.state()) || !record.result) return;
  const auto ended = std::exchange(activity.migration, {});
  if (record.result == MigrationResult::stored) {
    activity.measured = ended;
    note_stored(job, record, true);
    pruner_.start(job);
  } else if (is_no_failure(record)) {
    const bool by_hand = record.error && record.error->code() == Code::cancelled;
    put_off(job, by_hand ? kPutOffByHand : kPutOff);
  } else {
    const auto error = record.error.value_or(Error(Code::internal, "its migration was given up"));
    note_failure(job, error);
    // What is in trash, and what is left of the failed one, may be what the disk is full of.
    if (error.code() == Code::no_memory) pruner_.start(job);
  }
}

void Protector::see_to_the_log(Job& job) {
  auto& instance = job.first();
  send_log_order(context_.hub, instance);
  if (!instance.logged) return;
  const auto& logged = *instance.logged;
  auto& told = activities_[job.id].dropped;
  const auto before = std::exchange(told, logged.dropped);
  if (before != 0 || logged.dropped == 0) return;  // one event a run of steps that are left out
  const auto text = fmt::format(
      "job {}: its gradient log was dropped at step {}{}{}; it trains on, and what is logged leads "
      "on from its next snapshot",
      job.name(), logged.dropped_step, logged.failure.empty() ? "" : ": ", logged.failure);
  spdlog::warn("{}", text);
  context_.events.emit({.kind = "log_dropped", .text = text, .job = job.name()});
}

std::optional<SnapshotCost> Protector::take_cost(const Job& job) {
  auto& measured = activities_[job.id].measured;
  if (measured.empty()) return std::nullopt;
  if (!context_.migrations.has(measured)) {
    measured.clear();
    return std::nullopt;
  }
  const auto& m = context_.migrations.at(measured);
  const auto& transfer = m.only().record();
  if (!transfer.lost_time.over) return std::nullopt;
  measured.clear();
  SnapshotCost cost;
  cost.stored = milliseconds(m.record().ended_at_ms - m.record().started_at_ms);
  if (const auto lost = summary_of(transfer.lost_time, transfer.downtime_ms)) {
    cost.lost_ms = lost->lost_ms;
  }
  return cost;
}

void Protector::plan_interval(Job& job) {
  const auto& order = *job.spec.protection;
  if (!order.is_auto) return;
  const auto& before = job.protection_notes.interval;
  const auto cost = take_cost(job);
  const auto mtbf = order.mtbf_ms != 0 ? milliseconds(order.mtbf_ms) : context_.config.mtbf;
  const auto next = planned(cost ? with_snapshot(before, *cost) : before, mtbf);
  if (next == before) return;
  if (next.every_ms != before.every_ms) {
    spdlog::info("job {}: a snapshot every {} from now on, because of {}: each costs {}",
                 job.name(), format_ms(static_cast<double>(next.every_ms)), to_string(next.reason),
                 next.measured == 0 ? "an unknown time" : format_ms(next.cost_ms));
  }
  auto notes = job.protection_notes;
  notes.interval = next;
  context_.jobs.note_protection(job, std::move(notes));
}

void Protector::note_stored(Job& job, const MigrationRecord& record, bool is_own) {
  auto notes = job.protection_notes;
  notes.number = record.stored.number;
  notes.step = record.migrated_at_step();
  notes.at_ms = record.ended_at_ms;
  notes.restarts = job.restarts;
  notes.taken += is_own ? 1 : 0;
  notes.retry_at_ms = 0;
  const auto failures = std::exchange(notes.failures_in_a_row, 0U);
  notes.error.clear();
  notes.hint.clear();
  context_.jobs.note_protection(job, std::move(notes));
  if (is_own) context_.jobs.drop_former_store(job);
  if (job.spec.first_snapshot == 0 && job.spec.restored_from.empty()) {
    context_.jobs.note_first_snapshot(job, record.stored.number);
  }
  if (failures == 0) return;
  const auto text =
      fmt::format("job {} is protected again: step {} is snapshot {} in {}", job.name(),
                  record.migrated_at_step(), record.stored.number, record.spec.store);
  spdlog::info("{}", text);
  context_.events.emit(
      {.kind = "protection_back", .text = text, .job = job.name(), .migration = record.id});
}

void Protector::note_failure(Job& job, const Error& error) {
  auto notes = job.protection_notes;
  ++notes.failed;
  ++notes.failures_in_a_row;
  const auto wait = wait_after(notes.failures_in_a_row);
  notes.retry_at_ms = unix_ms() + wait.count();
  notes.error = error.failure();
  notes.hint = error.hint();
  const auto what = notes.failures_in_a_row == 1
                        ? std::string("no snapshot could be taken")
                        : fmt::format("the last {} snapshots failed", notes.failures_in_a_row);
  const auto text = fmt::format("job {}: {}: {}; it trains on, the next try is in {}", job.name(),
                                what, error.what(), format_ms(static_cast<double>(wait.count())));
  spdlog::warn("{}", text);
  if (notes.failures_in_a_row == 1) {
    context_.events.emit({.kind = "protection_failed",
                          .text = text,
                          .job = job.name(),
                          .device = job.first().device()});
  }
  context_.jobs.note_protection(job, std::move(notes));
}

void Protector::put_off(Job& job, milliseconds time) {
  auto notes = job.protection_notes;
  notes.retry_at_ms = unix_ms() + time.count();
  context_.jobs.note_protection(job, std::move(notes));
}

}  // namespace cardswap::snapshots
