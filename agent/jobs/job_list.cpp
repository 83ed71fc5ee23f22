#include "agent/jobs/job_list.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <utility>

#include "agent/base/units.h"
#include "migrator/base/error.h"
#include "migrator/base/token.h"

namespace cardswap {

namespace {

/// The job's snapshots go to another store than `former` from now on, which has none of it yet.
void leave_store(JobSpec& spec, const std::string& former, const std::string& to,
                 bool has_snapshot) {
  const bool is_back = to == spec.fallback_store;
  const auto first = std::exchange(spec.first_snapshot, is_back ? spec.fallback_first : 0);
  if (!has_snapshot) return;  // what it had before that one is the newest still
  spec.fallback_store = former;
  spec.fallback_first = first;
}

}  // namespace

JobList::JobList(const Config& config, Journal& journal) : config_(config), journal_(journal) {}

void JobList::load() {
  journal_.each(Journal::Kind::job, [&](const auto& record) { jobs_.emplace_back(record); });
}

Instance& JobList::add(const JobSpec& spec, const std::string& device) {
  auto& job = jobs_.emplace_back();
  job.id = random_hex(8);
  job.spec = spec;
  if (spec.uid.empty()) job.spec.uid = random_hex(16);
  if (spec.user.empty()) job.spec.user = config_.job_user;
  InstanceRecord instance;
  instance.id = random_hex(8);
  instance.device = device;
  instance.token = random_hex(16);
  instance.log_path = (config_.job_dir(spec.name) / "log").string();
  return job.instances.emplace_back(job, std::move(instance));
}

Instance& JobList::add_standby(const JobSpec& spec, const Arriving& arriving) {
  const auto file = "log-" + arriving.migration;
  if (std::filesystem::path(file).filename() != file) {  // whoever made the id should have said so
    throw Error(Code::bad_request, "the id of a migration is no part of a file's name");
  }
  auto& instance = add(spec, arriving.device);
  auto& job = instance.job();
  job.standby = true;
  job.migration = arriving.migration;
  job.epoch = arriving.epoch;
  job.world_size = arriving.ranks;
  instance.record_.rank = arriving.rank;
  instance.record_.reserved_bytes = arriving.reserved_bytes;
  instance.record_.came_from = arriving.came_from;
  instance.record_.log_path = (config_.job_dir(spec.name) / file).string();
  return instance;
}

bool JobList::remove(Instance& instance) {
  auto& job = instance.job();
  job.instances.remove_if([&](const Instance& one) { return &one == &instance; });
  if (!job.instances.empty()) return false;
  jobs_.remove_if([&](const Job& one) { return &one == &job; });
  return true;
}

void JobList::remove_record(const std::string& job_id) {
  journal_.remove(Journal::Kind::job, job_id);
}

/// The standby gets its grant after this: nothing may prevent that, not even a full disk.
void JobList::promote(Job& job, std::uint64_t epoch) {
  for (auto& other : jobs_) {
    if (other.name() != job.name() || &other == &job || other.superseded || other.standby) continue;
    // Of a job of many ranks the others stay where they are.
    if (job.world_size > 1 && other.world_size == job.world_size && other.is_live()) continue;
    // One that lives and is not what moves is another job: nobody may make it disappear.
    const bool source =
        job.uid().empty() ? other.migration == job.migration : other.uid() == job.uid();
    if (other.is_live() && !source) {
      spdlog::error("two jobs of the name {} run here: migration {} has brought one", job.name(),
                    job.migration);
      continue;
    }
    other.superseded = true;
    if (source) {
      job.restarts = std::max(job.restarts, other.restarts);
      job.recovery = notes_on_arrival(other.recovery);
      drop_recovery(other);
    }
    save_when_possible(other);
  }
  job.standby = job.superseded = false;
  job.migration.clear();  // that one is at its source; the next one from here is another
  job.epoch = epoch;
  for (auto& instance : job.instances) instance.record_.state = InstanceState::running;
  save_when_possible(job);
  changed_.notify();
}

void JobList::forget(const std::string& name) {
  std::vector<std::filesystem::path> logs;
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (job->name() == name && !job->is_live()) {
      journal_.remove(Journal::Kind::job, job->id);
      for (const auto& instance : job->instances) logs.emplace_back(instance.record().log_path);
      job = jobs_.erase(job);
    } else {
      ++job;
    }
  }
  const auto standbys = standby_logs_.logs_of(name);
  logs.insert(logs.end(), standbys.begin(), standbys.end());
  for (const auto& log : logs) standby_logs_.remove(log);
}

Job* JobList::find(const std::string& name) {
  Job* found = nullptr;
  for (auto& job : jobs_) {
    if (job.name() != name || job.standby || job.superseded) continue;
    // Of a job of many ranks a host may have several, of which one ends before another.
    const bool is_past = found != nullptr && found->world_size > 1 && found->is_live();
    if (!is_past || job.is_live()) found = &job;
  }
  return found;
}

std::vector<Instance*> JobList::instances() {
  std::vector<Instance*> all;
  for (auto& job : jobs_) {
    for (auto& instance : job.instances) all.push_back(&instance);
  }
  return all;
}

std::vector<const Instance*> JobList::instances() const {
  std::vector<const Instance*> all;
  for (const auto& job : jobs_) {
    for (const auto& instance : job.instances) all.push_back(&instance);
  }
  return all;
}

Instance* JobList::by_instance(const std::string& id) {
  for (auto& job : jobs_) {
    for (auto& instance : job.instances) {
      if (instance.id() == id) return &instance;
    }
  }
  return nullptr;
}

Job& JobList::job_named(const std::string& name) {
  if (auto* job = find(name)) return *job;
  throw Error(Code::not_found, fmt::format("there is no job '{}' on {}", name, config_.host_name),
              "`cardswap jobs` lists the jobs of this host");
}

Job* JobList::by_record(const std::string& job_id) {
  const auto job = std::ranges::find(jobs_, job_id, &Job::id);
  return job == jobs_.end() ? nullptr : &*job;
}

Instance* JobList::find_rank(const std::string& name, std::uint32_t rank) {
  for (auto& job : jobs_) {
    if (job.name() != name || job.standby || job.superseded || job.world_size <= 1) continue;
    for (auto& instance : job.instances) {
      const auto found = instance.ranks.find(rank);
      const bool has = found != instance.ranks.end() && found->second.moved_to.empty();
      if (instance.is_live() && has) return &instance;
    }
  }
  return nullptr;
}

Instance& JobList::at(const std::string& id) {
  if (auto* instance = by_instance(id)) return *instance;
  throw Error(Code::source_lost, "the job's process has ended, and its record is gone",
              "`cardswap jobs` lists what runs here; `cardswap logs` may say why it ended");
}

Instance* JobList::by_token(const std::string& name, const std::string& token, Liveness wanted) {
  for (auto* instance : instances()) {
    const bool is_it = instance->name() == name && is_same_token(instance->record().token, token);
    const bool has_moved = instance->state() == InstanceState::moved;
    if (is_it && (instance->is_live() || (wanted == Liveness::or_moved && has_moved))) {
      return instance;
    }
  }
  return nullptr;
}

void JobList::save_when_possible(const Job& job) {
  try {
    save(job);
  } catch (const Error& disk) {
    spdlog::error("job {}: {}", job.name(), disk.what());
  }
}

void JobList::save(const Job& job) { journal_.put(Journal::Kind::job, job.id, to_journal(job)); }

void JobList::set_state(Instance& instance, InstanceState state) {
  if (instance.state() == state) return;
  instance.record_.state = state;
  save_when_possible(instance.job());
  changed_.notify();
}

void JobList::note_world_size(Job& job, std::uint32_t ranks) { job.world_size = ranks; }

void JobList::note_stop(Job& job) {
  job.spec.restart = RestartRule::never;
  job.stop_asked = true;
}

void JobList::note_halt(Job& job, std::uint64_t newer_epoch) {
  job.newer_epoch = std::max(job.newer_epoch, newer_epoch);
  job.spec.restart = RestartRule::never;
}

void JobList::count_restart(Job& job) {
  ++job.restarts;
  ++job.epoch;
}

void JobList::undo_restart(Job& job, std::uint64_t epoch, std::uint32_t restarts) {
  job.epoch = epoch;
  job.restarts = restarts;
}

void JobList::begin_migration(Job& job, const std::string& migration) {
  if (std::exchange(job.migration, migration) != migration) save_when_possible(job);
}

void JobList::end_migration(Job& job) {
  if (!std::exchange(job.migration, {}).empty()) save_when_possible(job);
}

void JobList::raise_epoch(Job& job, std::uint64_t epoch) {
  if (job.epoch >= epoch) return;
  job.epoch = epoch;
  save_when_possible(job);
}

void JobList::mark_moved(Instance& instance, const std::string& to) {
  auto& record = instance.record_;
  if (record.state == InstanceState::moved && record.moved_to == to) return;
  record.state = InstanceState::moved;
  record.moved_to = to;
  save_when_possible(instance.job());
  changed_.notify();
}

void JobList::set_hold(Job& job, std::uint64_t step) {
  const auto before = std::exchange(job.spec.hold_at, step);
  try {
    save(job);
  } catch (...) {
    job.spec.hold_at = before;
    throw;
  }
  for (auto& instance : job.instances) {
    if (instance.held && (step == 0 || step > instance.held->step)) instance.held.reset();
  }
  changed_.notify();
}

void JobList::set_protection(Job& job, std::optional<Protection> order) {
  auto spec = job.spec;
  auto notes = job.protection_notes;
  const auto& former = job.spec.protection;
  if (!order || !former || order->store != former->store) {
    if (order && former) {
      leave_store(spec, former->store, order->store, notes.number != 0);
    } else {
      spec.first_snapshot = 0;
    }
    notes = {};
  } else {
    notes.failures_in_a_row = 0;
    notes.retry_at_ms = 0;
    notes.error.clear();
    notes.hint.clear();
  }
  notes.arrival_told = true;
  spec.protection = std::move(order);
  std::swap(job.spec, spec);
  std::swap(job.protection_notes, notes);
  try {
    save(job);
  } catch (...) {
    std::swap(job.spec, spec);
    std::swap(job.protection_notes, notes);
    throw;
  }
  changed_.notify();
}

void JobList::note_protection(Job& job, ProtectionNotes notes) {
  job.protection_notes = std::move(notes);
  save_when_possible(job);
}

void JobList::drop_former_store(Job& job) {
  if (std::exchange(job.spec.fallback_first, 0) == 0) return;  // that one is of its start
  job.spec.fallback_store.clear();
  save_when_possible(job);
}

void JobList::note_first_snapshot(Job& job, std::uint64_t number) {
  job.spec.first_snapshot = number;
  save_when_possible(job);
}

void JobList::order_recovery(Job& job, const std::string& reason) {
  const auto& had = job.first().record();
  auto& notes = job.recovery;
  // A program may end before its migration has told that it took a step.
  if (had.step > notes.step) notes = notes_when_recovered(notes, unix_ms());
  // One that got the job and has ended before its first step: it is the same recovery still.
  const bool is_again = notes.state == RecoveryState::arriving;
  if (!is_again) notes.reason = reason;
  notes.tries = is_again ? notes.tries + 1 : 0;
  notes.last_step = is_again ? std::max(notes.last_step, had.step) : had.step;
  notes.state = RecoveryState::pending;
  notes.device = had.device;
  notes.state_bytes = had.state_bytes;
  notes.number = notes.step = 0;
  notes.store.clear();
  notes.error.clear();
  notes.hint.clear();
}

void JobList::drop_recovery(Job& job) {
  if (job.recovery.is_under_way()) job.recovery.state = RecoveryState::dropped;
}

void JobList::note_recovery(Job& job, RecoveryNotes notes) {
  job.recovery = std::move(notes);
  save_when_possible(job);
  changed_.notify();
}

void JobList::give_up_recovery(Job& job, const Error& why) {
  auto notes = job.recovery;
  notes.state = RecoveryState::failed;
  notes.error = why.failure();
  notes.hint = why.hint();
  auto& first = job.first();
  auto& record = first.record_;
  if (!job.is_live() || first.is_snapshot_sender()) {  // a sender that is killed may live yet
    record.device = notes.device;
    record.exit_text = notes.reason + "; it could not go on from a snapshot: " + notes.error;
  }
  note_recovery(job, std::move(notes));
}

void JobList::set_origin(Job& job, const std::string& manifest, const std::string& branch) {
  job.spec.restored_from = manifest;
  job.spec.branch = branch;
}

}  // namespace cardswap
