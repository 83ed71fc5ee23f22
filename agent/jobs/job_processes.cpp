#include "agent/jobs/job_processes.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "agent/base/boot.h"
#include "agent/base/failure_of.h"
#include "agent/base/units.h"
#include "agent/jobs/instance_processes.h"
#include "agent/jobs/job_halt.h"
#include "agent/jobs/job_program.h"
#include "agent/jobs/job_steps.h"
#include "agent/jobs/runtime_report.h"
#include "agent/process/child.h"
#include "agent/process/exit_status.h"
#include "agent/process/log_file.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

asio::awaitable<void> reap_later(ProcessId child) { (void)co_await wait_and_reap(child); }

constexpr std::chrono::seconds kSaveAgain{2};
constexpr std::chrono::seconds kMembersAgain{2};

/// Writes the record of a job that is halted for good until the disk takes it: no other record
/// tells the next agent that it must be halted.
asio::awaitable<void> record_halt(JobList& table, std::string id) {
  while (true) {
    co_await pause_for(kSaveAgain);
    const auto* job = table.by_record(id);
    if (job == nullptr) co_return;
    try {
      table.save(*job);
      spdlog::info("job {}: that it is halted for good is on disk now", job->name());
      co_return;
    } catch (const Error&) {  // as it was told
      continue;
    }
  }
}

}  // namespace

JobProcesses::JobProcesses(TaskGroup& tasks, const Config& config, JobList& table,
                           const DeviceUsages& devices, JobEnds& ends)
    : tasks_(tasks), config_(config), table_(table), devices_(devices), ends_(ends) {}

// ---- what a former agent left

JobProcesses::TakenUp JobProcesses::take_up(const std::function<bool(const Instance&)>& keep) {
  TakenUp seen;
  // Tasks begin when the agent's loop turns: all its parts have taken up what is theirs by then.
  const auto here = boot_id();
  table_.load();
  std::set<std::string> users;
  for (const auto& job : table_.all()) users.insert(job.spec.user);
  const auto marked = tokens_that_live(users);
  const auto all = table_.instances();
  for (auto* instance : all) {
    // Another boot gives the same numbers to others, at the same times too.
    if (instance->record().boot_id.empty() || instance->record().boot_id == here) continue;
    JobList::note(*instance, [](InstanceRecord& record) {
      record.program = record.parent = record.init = {};
    });
  }
  for (auto* one : all) {
    auto& instance = *one;
    const auto& job = instance.job();
    const bool lives_on = marked.contains(instance.record().token) || is_alive(instance.program());
    const bool left_over = job.standby && instance.is_live() && !keep(instance);
    if (left_over) {
      for (const auto& process : members_of(family_of(instance))) signal_process(process, SIGKILL);
      tasks_.spawn("watch " + job.name(), watch(instance.id()));
    } else if (instance.is_live()) {
      if (job.newer_epoch != 0) reapply_halt(job);
      const bool lives = is_alive(watched_of(instance)) || is_alive(instance.program());
      const bool told = read_exit_status(status_file(instance)).has_value();
      ++(lives ? seen.running : told ? seen.gone : seen.lost);
      tasks_.spawn("watch " + job.name(), watch(instance.id()));
    } else {
      if (instance.record().ended_at_ms == 0)
        tasks_.spawn("watch " + job.name(), watch(instance.id()));
      // A launcher waits for the ranks that have left it, by the processes that keep their places.
      const bool keeps_places = instance.state() == InstanceState::moved &&
                                instance.record().keeps_places && is_alive(instance.program());
      if (!lives_on || keeps_places) continue;
      instance.remains = members_of(family_of(instance));
      tasks_.spawn("end the rest of " + job.name(), end_moved(instance.id(), milliseconds(0)));
    }
  }
  tasks_.spawn("keep the steps of jobs", save_steps(table_, ends_));
  return seen;
}

// ---- starting one

asio::awaitable<void> JobProcesses::start(std::string id, std::vector<std::string> stand_in) {
  try {
    co_await start_process_of(id, std::move(stand_in));
  } catch (...) {
    if (auto* instance = table_.by_instance(id)) (void)table_.remove(*instance);
    table_.changed().notify();
    throw;
  }
}

asio::awaitable<void> JobProcesses::start_again(std::string id, std::string device,
                                                std::vector<std::string> stand_in) {
  auto* instance = table_.by_instance(id);
  if (instance == nullptr) throw Error(Code::not_found, "the job is gone");
  auto before = begin_restart(*instance);
  instance->reported = false;
  JobList::note(*instance, [&](InstanceRecord& record) {
    record.device = device;
    record.state_bytes = record.replayed_bytes = record.update_bytes = 0;
    record.relocatable_bytes = 0;
  });
  auto started = start_process_of(id, std::move(stand_in));
  const auto failed = co_await failure_of(tasks_, std::move(started));
  if (!failed) co_return;
  instance = table_.by_instance(id);
  if (instance != nullptr) {
    undo_restart(*instance, std::move(before), failed->failure());
    table_.save_when_possible(instance->job());
    table_.changed().notify();
  }
  throw Error(*failed);
}

asio::awaitable<void> JobProcesses::start_process_of(std::string id,
                                                     std::vector<std::string> stand_in) {
  auto* instance = table_.by_instance(id);
  if (instance == nullptr) throw Error(Code::not_found, "the job is gone");
  const bool kept = stand_in.empty();
  auto spec = program_of(*instance, config_, std::move(stand_in));
  const auto status = status_file(*instance);
  instance->saved_step = 0;
  JobList::note(*instance, [](InstanceRecord& record) {
    record.state = InstanceState::starting;
    record.started_at_ms = unix_ms();
    record.step = 0;
    record.boot_id = boot_id();
    record.program = record.parent = {};
  });
  make_job_folder(config_.job_dir(instance->name()));
  std::error_code absent;
  std::filesystem::remove(status, absent);  // of an earlier one
  SupervisedProcess started;
  if (kept) {
    started = co_await start_supervised(std::move(spec), status);
  } else {
    started.program = co_await start_child(std::move(spec));
  }
  const auto child = kept ? started.parent : started.program;
  instance = table_.by_instance(id);
  try {
    if (instance == nullptr) throw Error(Code::cancelled, "the job was given up while it started");
    JobList::note(*instance, [&](InstanceRecord& record) {
      record.program = started.program;
      record.parent = started.parent;
    });
    table_.save(instance->job());
  } catch (...) {
    signal_group(started.program, SIGKILL);  // its parent ends with its lifeline
    tasks_.spawn("reap", reap_later(child));
    throw;
  }
  if (instance->job().stop_asked) signal_group(instance->program(), SIGKILL);
  if (kept && instance->job().standby) {
    supervised_[id] = std::move(started);
  } else if (kept) {
    started.let_live();  // it is on disk: the next agent finds it
  }
  tasks_.spawn("watch " + instance->name(), watch(id));
  table_.changed().notify();
}

void JobProcesses::take_over(Instance& instance, const RestoredProcess& restored) {
  const auto before = instance.record();
  JobList::note(instance, [&](InstanceRecord& record) {
    record.program = restored.program;
    record.init = restored.init;
    record.parent = {};
    record.state_bytes = restored.state_bytes;
    record.relocatable_bytes = restored.relocatable_bytes;
  });
  try {
    table_.save(instance.job());
  } catch (...) {  // on a full disk it stays what it was
    JobList::note(instance, [&](InstanceRecord& record) { record = before; });
    throw;
  }
  note_framework(instance, restored.framework);
  tasks_.spawn("watch " + instance.name(), watch(instance.id()));
  table_.changed().notify();
}

void JobProcesses::promote(Job& job, std::uint64_t epoch) {
  table_.promote(job, epoch);
  for (const auto& instance : job.instances) {
    if (const auto standby = supervised_.find(instance.id()); standby != supervised_.end()) {
      standby->second.let_live();
      supervised_.erase(standby);
    }
  }
}

// ---- the end of one

asio::awaitable<void> JobProcesses::watch(std::string id) {
  auto* instance = table_.by_instance(id);
  if (instance == nullptr) co_return;
  const auto watched = watched_of(*instance);
  const auto program = instance->program();
  // A stand-in's status is recorded by record_exit_status(), which this must not do before.
  const bool is_stand_in = watched == program;
  if (is_stand_in) {
    co_await wait_for_exit(watched);
  } else {
    (void)co_await wait_and_reap(watched);
  }
  const auto is_its = [&] {
    instance = table_.by_instance(id);
    return instance != nullptr && watched_of(*instance) == watched;
  };
  // Somebody killed the parent: nobody will tell how the program ends, but it runs.
  if (is_its() && watched == instance->record().parent &&
      !read_exit_status(status_file(*instance))) {
    co_await wait_for_exit(program);
  }
  // While /proc cannot be read, more processes may be left than are seen: settle the end later.
  std::optional<std::vector<ProcessId>> remains;
  while (is_its() && !(remains = members_seen(family_of(*instance))))
    co_await pause_for(kMembersAgain);
  if (is_its()) {
    settle_end(*instance, std::move(*remains));
  } else if (is_stand_in && watched.pid > 0) {
    (void)::waitpid(watched.pid, nullptr, WNOHANG);  // its time was over
  }
}

void JobProcesses::settle_end(Instance& instance, std::vector<ProcessId> remains) {
  const auto id = instance.id();
  const auto task = "start " + instance.name() + " again";
  supervised_.erase(id);
  if (auto before = ends_.conclude(instance, std::move(remains)))
    tasks_.spawn(task, run_again(id, std::move(*before)));
}

asio::awaitable<void> JobProcesses::run_again(std::string id, BeforeRestart before) {
  try {
    (void)devices_.at(before.record.device);
    co_await start_process_of(id, {});
    if (const auto* instance = table_.by_instance(id)) {
      spdlog::warn("job {} is {}, and started again as process {}: {} of {} times",
                   instance->name(), to_string(before.record.state), instance->program().pid,
                   instance->job().restarts, kRestartsMax);
    }
  } catch (...) {
    if (tasks_.is_stopping()) throw;  // the next agent finds that it was to start
    const auto error = error_of(std::current_exception());
    auto* instance = table_.by_instance(id);
    if (instance == nullptr) co_return;
    undo_restart(*instance, std::move(before), error.failure());
    spdlog::error("job {} is {}: {}", instance->name(), to_string(instance->state()),
                  instance->record().exit_text);
    table_.save_when_possible(instance->job());
    table_.changed().notify();
  }
}

// ---- ending one

asio::awaitable<std::vector<pid_t>> JobProcesses::stop(std::string id, milliseconds grace) {
  auto* instance = table_.by_instance(id);
  if (instance == nullptr) co_return std::vector<pid_t>{};
  if (instance->job().recovery.is_under_way()) {
    JobList::drop_recovery(instance->job());
    table_.save_when_possible(instance->job());
  }
  if (instance->is_live()) {
    auto& job = instance->job();
    JobList::note_stop(job);
    if (job.newer_epoch != 0) grace = milliseconds(0);  // it must not go on to hear SIGTERM
    ends_.ownership().on_stop(*instance);
  }
  auto met = co_await end_members(family_of(*instance), grace);
  while ((instance = table_.by_instance(id)) != nullptr && instance->record().ended_at_ms == 0) {
    co_await table_.changed().wait_until(Clock::now() + milliseconds(100));
  }
  co_return met;
}

void JobProcesses::kill(const std::string& id) {
  const auto* instance = table_.by_instance(id);
  if (instance == nullptr) return;
  const auto members = members_seen(family_of(*instance));
  if (!members) return;  // the caller looks again
  for (const auto& process : *members) signal_process(process, SIGKILL);
}

asio::awaitable<void> JobProcesses::end_moved(std::string instance, milliseconds grace) {
  return end_processes(table_, std::move(instance), grace);
}

void JobProcesses::halt_trainer(Job& job, std::uint64_t newer_epoch) {
  JobList::note_halt(job, newer_epoch);
  reapply_halt(job);
  try {
    table_.save(job);
  } catch (const Error& disk) {
    spdlog::error("job {} is halted for good: {}", job.name(), disk.what());
    tasks_.spawn("record that " + job.name() + " is halted", record_halt(table_, job.id));
  }
  table_.changed().notify();
}

}  // namespace cardswap
