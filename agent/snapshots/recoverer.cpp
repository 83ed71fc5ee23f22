#include "agent/snapshots/recoverer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/base/units.h"
#include "agent/handover/restore.h"
#include "agent/jobs/user_policy.h"
#include "agent/snapshots/recovery_in_child.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kLookAgain{1};
constexpr milliseconds kKillAgain{500};
constexpr seconds kKillAgainMax{10};
constexpr seconds kEndsBy{10};  // a process that does not die is told of after that
constexpr std::uint32_t kTriesMax = 3;
constexpr milliseconds kStartAgainFirst{1'000};
constexpr milliseconds kStartAgainMax{30'000};

/// Whether the agent owes the job of this record a start from a snapshot.
bool is_owed(const Job& job) {
  return job.recovery.is_pending && !job.standby && !job.superseded && job.newer_epoch == 0;
}

/// What a failed recovery leaves to do.
std::string what_to_do(const Job& job) {
  const auto stores = stores_of(job.spec);
  const auto store = stores.empty() ? std::string("file:/FOLDER") : stores.front();
  return fmt::format(
      "`cardswap verify {} {}` names what is damaged, `cardswap history {} --store {}` lists what "
      "there is, `cardswap restore {}@STEP --store {}` goes on from one of them",
      store, job.name(), job.name(), store, job.name(), store);
}

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, "; "));
}

Error none_usable(const Job& job, const RecoveryPoint& point) {
  return Error(Code::corrupt,
               point.damaged.empty()
                   ? "there is no snapshot of it in " + joined(stores_of(job.spec))
                   : "none of its snapshots can be used: " + joined(point.damaged),
               what_to_do(job));
}

/// Whether the job can have left no snapshot: then its first step is where it begins.
bool may_begin_anew(const Job& job, const RecoveryPoint& point) {
  const auto& spec = job.spec;
  if (!spec.restored_from.empty() || spec.first_snapshot != 0) return false;
  return spec.fallback_store.empty() || point.has_none_at_all;
}

}  // namespace

void Recoverer::start() { parts_.tasks.spawn("recover jobs", watch()); }

asio::awaitable<void> Recoverer::watch() {
  while (true) {
    std::vector<std::string> due;
    for (const auto& job : parts_.jobs.table().all()) {
      if (is_owed(job) && !running_.contains(job.id)) due.push_back(job.id);
    }
    for (const auto& id : due) {
      running_.insert(id);
      parts_.tasks.spawn("recover the job of record " + id, carry_out(id));
    }
    co_await parts_.jobs.table().changed().wait_until(Clock::now() + std::chrono::hours(1));
  }
}

Job& Recoverer::owed(const std::string& job_id) {
  auto* job = parts_.jobs.table().by_record(job_id);
  if (job != nullptr && is_owed(*job) && parts_.jobs.table().find(job->name()) == job) return *job;
  throw Error(Code::cancelled, "somebody else has decided about the job meanwhile");
}

RecoveryDevice Recoverer::device_for(const Job& job) const {
  const auto& notes = job.recovery;
  const auto& first = job.first().record();
  PlacementJob wanted;
  wanted.name = job.name();
  wanted.host = parts_.config.host_name;
  wanted.device = notes.is_pending ? notes.device : first.device;
  wanted.kind = wanted.device.substr(0, wanted.device.find(':'));
  wanted.state_bytes = notes.is_pending ? notes.state_bytes : first.state_bytes;
  return choose_recovery_device(
      wanted, devices_to_recover_on(parts_.jobs.devices(), parts_.cordons, parts_.config.host_name,
                                    parts_.is_usable));
}

asio::awaitable<std::optional<Error>> Recoverer::recover(std::string job_name, std::string reason) {
  auto& table = parts_.jobs.table();
  auto* job = table.find(job_name);
  if (job == nullptr) throw Error(Code::not_found, fmt::format("there is no job {}", job_name));
  const auto uid = job->uid();
  const auto before = job->recovery;
  if (!before.is_pending) {
    JobList::order_recovery(*job, reason);
    try {
      table.save(*job);
    } catch (...) {
      table.note_recovery(*job, before);
      throw;
    }
    table.changed().notify();
  }
  while (true) {
    co_await table.changed().wait_until(Clock::now() + kLookAgain);
    job = table.find(job_name);
    if (job == nullptr || job->uid() != uid) {
      co_return Error(Code::cancelled, fmt::format("job {} is gone", job_name));
    }
    const auto& notes = job->recovery;
    if (notes.is_pending) continue;
    const bool goes_on = notes.recovered > before.recovered || notes.begun_anew;
    if (goes_on && job->is_live()) co_return std::nullopt;
    co_return Error(Code::source_lost, notes.error.empty() ? "it was given up" : notes.error,
                    notes.hint);
  }
}

asio::awaitable<void> Recoverer::carry_out(std::string job_id) {
  const auto* job = parts_.jobs.table().by_record(job_id);
  const auto name = job != nullptr ? job->name() : std::string();
  std::optional<Error> failed;
  try {
    co_await go_through(job_id);
  } catch (...) {
    if (parts_.tasks.is_stopping()) throw;  // the next agent goes on with it
    failed = error_of(std::current_exception());
  }
  running_.erase(job_id);
  if (failed) {
    give_up(job_id, *failed);
  } else {
    tell_recovered(name);
  }
}

asio::awaitable<void> Recoverer::go_through(std::string job_id) {
  {
    const auto& job = owed(job_id);
    tell("recovering", job,
         fmt::format("job {} goes on from its newest snapshot: {}, at step {}", job.name(),
                     job.recovery.reason, job.recovery.last_step));
  }
  if (owed(job_id).first().is_live()) {  // it is ended only where something goes on in its place
    const auto point = co_await find_point(job_id);
    if (!point.ref) throw none_usable(owed(job_id), point);
  }
  co_await end_copy(job_id);
  {
    auto& job = owed(job_id);
    auto notes = job.recovery;
    notes.last_step = std::max(notes.last_step, job.first().record().step);  // it stepped until now
    parts_.jobs.table().note_recovery(job, std::move(notes));
  }
  const auto point = co_await find_point(job_id);
  for (const auto& text : point.damaged) {
    const auto& job = owed(job_id);
    tell("snapshot_skipped", job, fmt::format("job {}: {}", job.name(), text));
  }
  Backoff retry(kStartAgainFirst, kStartAgainMax);
  while (true) {
    auto& job = owed(job_id);
    const auto device = device_for(job);
    if (device.name.empty()) throw Error(Code::refused, device.why_none);
    if (!point.ref && may_begin_anew(job, point)) {
      co_await start_anew(job_id, device.name);
      co_return;
    }
    if (!point.ref) throw none_usable(job, point);
    std::optional<Error> failed;
    try {
      co_await start_from(job_id, point, device.name);
      co_return;
    } catch (...) {
      if (parts_.tasks.is_stopping()) throw;
      failed = error_of(std::current_exception());
    }
    auto& still = owed(job_id);
    auto notes = still.recovery;
    ++notes.tries;
    const auto tries = notes.tries;
    spdlog::warn("job {}: start {} of {} from snapshot {} of step {} came to nothing: {}",
                 still.name(), tries, kTriesMax, notes.number, notes.step, failed->what());
    parts_.jobs.table().note_recovery(still, std::move(notes));
    if (tries >= kTriesMax) throw Error(*failed);
    co_await end_copy(job_id);
    co_await retry.wait();
  }
}

asio::awaitable<void> Recoverer::end_copy(std::string job_id) {
  const auto tell_at = Clock::now() + kEndsBy;
  bool is_told = false;
  Backoff apart(kKillAgain, kKillAgainMax);  // each kill looks through all processes
  auto kill_at = Clock::now();
  while (true) {
    const auto& job = owed(job_id);
    const auto& first = job.first();
    const auto left = still_alive(first);
    const bool is_gone = !first.is_live() && first.record().ended_at_ms != 0 && left.empty();
    const auto* running = parts_.migrations.find_running(first);
    if (is_gone && running == nullptr) co_return;  // a snapshot that is being written comes first
    if (!is_gone && Clock::now() >= kill_at) {
      parts_.jobs.processes().kill(first.id());
      kill_at = Clock::now() + apart.next();
    }
    if (!is_gone && !is_told && Clock::now() >= tell_at) {
      is_told = true;
      tell("recovery_waits", job,
           fmt::format("job {} is not started again: process {} of it does not end, though it was "
                       "killed; it goes on from its snapshot once that process is gone (a device "
                       "or a disk that does not answer holds it: reboot the host, and `cardswap "
                       "restore` elsewhere)",
                       job.name(), left.empty() ? first.program().pid : left.front()));
    }
    co_await parts_.jobs.table().changed().wait_until(Clock::now() + kKillAgain);
  }
}

asio::awaitable<RecoveryPoint> Recoverer::find_point(std::string job_id) {
  auto& job = owed(job_id);
  note_first_stored(job);
  RecoverySearch search;
  search.job = job.name();
  search.stores = stores_of(job.spec);
  // What is under its name in a store that has no snapshot of this run yet is not the job's.
  if (job.spec.protection && !is_own_store(job.spec)) search.stores.erase(search.stores.begin());
  search.lineage = {job.spec.branch, job.spec.restored_from, store::run_of(job.uid())};
  search.user = user_of_job(parts_.config, job.spec.user);
  const bool has_own = !job.spec.fallback_store.empty() || !job.spec.restored_from.empty() ||
                       job.spec.first_snapshot != 0;
  // What else is there under its name is of another run.
  if (!has_own) co_return RecoveryPoint{};
  co_return co_await find_recovery_point(std::move(search));
}

/// Its very first snapshot may have come to be after its end.
void Recoverer::note_first_stored(Job& job) {
  const auto& spec = job.spec;
  if (!spec.protection || spec.first_snapshot != 0 || !spec.restored_from.empty()) return;
  std::uint64_t first = 0;
  for (const auto& m : parts_.migrations.all()) {
    const auto& record = m.record();
    const bool is_its = record.result == MigrationResult::stored && record.job_uid == job.uid() &&
                        record.spec.store == spec.protection->store;
    if (is_its && (first == 0 || record.stored.number < first)) first = record.stored.number;
  }
  if (first != 0) parts_.jobs.table().note_first_snapshot(job, first);
}

asio::awaitable<void> Recoverer::start_anew(std::string job_id, std::string device) {
  auto instance = owed(job_id).first().id();
  std::vector<std::string> own_program;
  co_await parts_.jobs.processes().start_again(std::move(instance), std::move(device),
                                               std::move(own_program));
  auto* job = parts_.jobs.table().by_record(job_id);
  if (job == nullptr || !is_owed(*job)) co_return;  // somebody has stopped it meanwhile
  auto notes = job->recovery;
  notes.is_pending = false;
  notes.begun_anew = true;
  notes.step = notes.number = 0;
  const auto lost = notes.last_step;
  parts_.jobs.table().note_recovery(*job, std::move(notes));
  tell("begins_anew", *job,
       fmt::format("job {} has no snapshot yet: it begins at its first step, {} steps are lost",
                   job->name(), lost));
}

asio::awaitable<void> Recoverer::start_from(std::string job_id, RecoveryPoint point,
                                            std::string device) {
  auto& table = parts_.jobs.table();
  auto& job = owed(job_id);
  const auto ref = *point.ref;
  const auto name = job.name();
  const auto instance = job.first().id();
  const auto epoch = epoch_above(job, ref.epoch);
  JobList::set_origin(job, to_string(ref.manifest), point.branch);
  auto notes = job.recovery;
  notes.number = ref.number;
  notes.step = ref.step;
  notes.store = point.store;
  table.note_recovery(job, std::move(notes));
  table.raise_epoch(job, epoch);
  const RestoreContext parts{parts_.jobs, parts_.migrations, parts_.tasks, parts_.config};
  RestoreAgainOrder order{instance, name, std::move(device), point.store, to_string(ref.manifest)};
  const auto migration = co_await restore_again(parts, std::move(order));
  co_await parts_.migrations.wait_until_over(migration);
  if (!parts_.migrations.has(migration)) co_return;
  const auto& ended = parts_.migrations.at(migration);
  if (ended.state() == handover::SourceState::completed) co_return;
  const auto error = ended.record().error.value_or(Error(Code::internal, "it was given up"));
  parts_.jobs.processes().kill(instance);
  take_over_failed_start(job_id, name, error);
  throw Error(error);
}

/// A program that had the job and ended before its first step: its record is the job's now, and
/// what is owed is owed to that one.
void Recoverer::take_over_failed_start(const std::string& sender_id, const std::string& name,
                                       const Error& error) {
  auto& table = parts_.jobs.table();
  auto* job = table.find(name);
  if (job == nullptr || job->id == sender_id || job->is_live() || job->stop_asked) return;
  const auto former = job->recovery;
  JobList::order_recovery(*job, former.reason);
  auto notes = job->recovery;
  notes.last_step = std::max(notes.last_step, former.last_step);
  notes.tries = former.tries + 1;
  notes.recovered = former.recovered - 1;  // as was counted when it got the job
  notes.lost_steps_total = former.lost_steps_total - former.lost_steps;
  const bool is_over = notes.tries >= kTriesMax;
  table.note_recovery(*job, std::move(notes));
  if (is_over) give_up(job->id, error);
}

/// Above all epochs of the job that this host knows, and above that of the snapshot.
std::uint64_t Recoverer::epoch_above(const Job& job, std::uint64_t of_snapshot) const {
  auto known = std::max(job.epoch, of_snapshot);
  for (const auto& other : parts_.jobs.table().all()) {
    if (other.uid() == job.uid()) known = std::max(known, other.epoch);
  }
  for (const auto& m : parts_.migrations.all()) {
    if (m.record().job_uid == job.uid()) known = std::max({known, m.epoch(), m.own_epoch()});
  }
  return known + 1;
}

void Recoverer::tell(const std::string& kind, const Job& job, const std::string& text) {
  spdlog::warn("{}", text);
  parts_.events.emit(
      {.kind = kind, .text = text, .job = job.name(), .device = job.recovery.device});
}

/// The job has another record now, that of the program which has taken over.
void Recoverer::tell_recovered(const std::string& name) {
  auto& table = parts_.jobs.table();
  auto* job = table.find(name);
  if (job == nullptr || job->recovery.is_pending || job->recovery.number == 0) return;
  const auto& notes = job->recovery;
  if (job->spec.protection && job->spec.protection->store == notes.store) {
    // As if that snapshot had been its last: the next multiple of the interval is due.
    auto protection = job->protection_notes;
    protection.number = notes.number;
    protection.step = notes.step;
    protection.at_ms = unix_ms();
    protection.restarts = job->restarts;
    protection.is_told = true;
    table.note_protection(*job, std::move(protection));
  }
  const auto text = fmt::format(
      "job {} goes on at step {} from snapshot {} in {}, on {}, because {}: {} steps are lost",
      name, notes.step, notes.number, notes.store, job->first().device(), notes.reason,
      notes.lost_steps);
  spdlog::warn("{}", text);
  parts_.events.emit(
      {.kind = "recovered", .text = text, .job = name, .device = job->first().device()});
}

void Recoverer::give_up(const std::string& job_id, const Error& why) {
  auto* job = parts_.jobs.table().by_record(job_id);
  if (job == nullptr || !job->recovery.is_pending || !is_owed(*job)) return;
  const auto hint = why.hint().empty() ? what_to_do(*job) : why.hint();
  parts_.jobs.table().give_up_recovery(*job, Error(why.code(), why.failure(), hint));
  const auto& first = job->first();
  const auto text = fmt::format(
      "job {} is {} and stays so: {}; it could not go on from a snapshot: {}; hint: {}",
      job->name(), to_string(first.state()), job->recovery.reason, job->recovery.error, hint);
  spdlog::error("{}", text);
  parts_.events.emit(
      {.kind = "recovery_failed", .text = text, .job = job->name(), .device = first.device()});
}

}  // namespace cardswap::snapshots
