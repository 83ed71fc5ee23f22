// How jobs end here: by themselves, by request, or while no agent looked.

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cassert>

#include "agent/base/printable.h"
#include "agent/base/units.h"
#include "agent/jobs/jobs.h"
#include "agent/jobs/log_limit.h"
#include "agent/jobs/lost_job.h"
#include "agent/process/child.h"
#include "agent/process/exit_status.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kRestartsMax = 5;
constexpr std::uint64_t kStandbyLogMax = 1 << 20;
/// One write each: the journal's disk is also what migrations wait for.
constexpr seconds kStepEvery{3};
constexpr seconds kRemoveAgain{2};

/// By whose end a job's end is seen: who writes down its exit status first.
ProcessId watched_of(const Instance& instance) {
  if (instance.init.pid != 0) return instance.init;
  return instance.parent.pid != 0 ? instance.parent : instance.process;
}

}  // namespace

std::filesystem::path Jobs::status_file(const Instance& instance) {
  return instance.log_path + ".exit";
}

ProcessFamily Jobs::family_of(const Instance& instance) {
  return {instance.process, instance.parent, instance.init, instance.token,
          instance.job().spec.user};
}

// ---- what a former agent left

Jobs::Recovered Jobs::recover(const std::function<bool(const Instance&)>& keep) {
  assert(ownership_ != nullptr);
  Recovered seen;
  // Tasks begin when the agent's loop turns: all its parts have recovered by then.
  const auto here = boot_id();
  journal_.each(Journal::Kind::job, [&](const auto& record) { jobs_.emplace_back(record); });
  std::set<std::string> users;
  for (const auto& job : jobs_) users.insert(job.spec.user);
  const auto marked = tokens_that_live(users);
  const auto all = instances();
  for (auto* instance : all) {
    // Another boot gives the same numbers to others, at the same times too.
    if (instance->boot_id.empty() || instance->boot_id == here) continue;
    instance->process = instance->parent = instance->init = {};
  }
  for (auto* one : all) {
    auto& instance = *one;
    const auto& job = instance.job();
    const bool lives_on = marked.contains(instance.token) || is_alive(instance.process);
    const bool left_over = job.standby && instance.live() && !keep(instance);
    if (left_over) {
      for (const auto& process : members_of(family_of(instance))) signal_process(process, SIGKILL);
      tasks_.spawn("watch " + job.name(), watch(instance.id));
    } else if (instance.live()) {
      if (job.newer_epoch != 0) reapply_fence(job);
      const bool lives = is_alive(watched_of(instance)) || is_alive(instance.process);
      const bool told = read_exit_status(status_file(instance)).has_value();
      ++(lives ? seen.taken_up : told ? seen.gone : seen.lost);
      tasks_.spawn("watch " + job.name(), watch(instance.id));
    } else {
      if (instance.ended_at_ms == 0) tasks_.spawn("watch " + job.name(), watch(instance.id));
      if (!lives_on) continue;
      instance.remains = members_of(family_of(instance));
      tasks_.spawn("end the rest of " + job.name(), end_moved(instance.id, milliseconds(0)));
    }
  }
  tasks_.spawn("keep the steps of jobs", persist_steps());
  return seen;
}

// ---- the end of one

asio::awaitable<void> Jobs::reap(ProcessId child) { (void)co_await wait_and_reap(child); }

asio::awaitable<void> Jobs::watch(std::string id) {
  auto* instance = by_instance(id);
  if (instance == nullptr) co_return;
  const auto watched = watched_of(*instance);
  const auto program = instance->process;
  // A stand-in's status is taken by take_exit_status(), which this must not do before.
  const bool is_stand_in = watched == program;
  if (is_stand_in) {
    co_await wait_for_exit(watched);
  } else {
    (void)co_await wait_and_reap(watched);
  }
  const auto is_its = [&] {
    instance = by_instance(id);
    return instance != nullptr && watched_of(*instance) == watched;
  };
  // Somebody killed the parent: nobody will tell how the program ends, but it runs.
  if (is_its() && watched == instance->parent && !read_exit_status(status_file(*instance))) {
    co_await wait_for_exit(program);
  }
  if (is_its()) {
    ended(*instance);
  } else if (is_stand_in && watched.pid > 0) {
    (void)::waitpid(watched.pid, nullptr, WNOHANG);  // its time was over
  }
}

/// False when nobody can tell.
bool Jobs::take_exit_status(Instance& instance) {
  instance.exit_code.reset();
  instance.exit_signal.reset();
  instance.exit_text.clear();
  const bool same_boot = instance.boot_id.empty() || instance.boot_id == boot_id();
  if (const auto told = read_exit_status(status_file(instance))) {
    instance.exit_code = told->code;
    instance.exit_signal = told->signal;
    return true;
  }
  if (instance.init.pid != 0 && same_boot) {
    instance.exit_signal = SIGKILL;
    instance.exit_text = "it was killed together with its PID namespace";
    return true;
  }
  int status = 0;
  const auto pid = instance.process.pid;
  if (instance.parent.pid == 0 && pid > 0 && ::waitpid(pid, &status, WNOHANG) == pid) {
    if (WIFEXITED(status)) instance.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) instance.exit_signal = WTERMSIG(status);
    return true;
  }
  instance.exit_text = why_lost({!same_boot, booted_at_ms(), unix_ms(), instance.step});
  return false;
}

void Jobs::ended(Instance& instance) {
  auto& job = instance.job();
  instance.attached = false;
  instance.ended_at_ms = unix_ms();
  const auto family = family_of(instance);
  instance.remains = members_of(family);
  const bool told = take_exit_status(instance);  // before a parent that remains tells of this end
  for (const auto& process : instance.remains) signal_process(process, SIGKILL);
  instance.parent = instance.init = {};
  instance.reserved_bytes = 0;
  supervised_.erase(instance.id);
  const bool failed = instance.exit_signal || instance.exit_code.value_or(0) != 0;
  if (instance.state != InstanceState::moved) {
    instance.state = told && !failed  ? InstanceState::ended
                     : job.stop_asked ? InstanceState::stopped
                     : told           ? InstanceState::failed
                                      : InstanceState::lost;
  }
  ownership().on_exit(instance);
  if (job.standby) return drop_standby(instance);
  if (instance.state == InstanceState::lost) tell_lost(instance);
  if (!instance.remains.empty()) {
    tasks_.spawn("end the rest of " + job.name(), end_moved(instance.id, milliseconds(0)));
  }
  if ((instance.state == InstanceState::failed || instance.state == InstanceState::lost) &&
      job.spec.restart == RestartRule::on_failure && job.restarts < kRestartsMax &&
      !tasks_.stopping() && ownership().may_restart(instance)) {
    start_again(instance);
  }
  try {
    save(job);
    std::error_code absent;
    if (!instance.live()) std::filesystem::remove(status_file(instance), absent);
  } catch (const Error& disk) {  // and its status is kept
    spdlog::error("job {} is {}: {}", job.name(), to_string(instance.state), disk.what());
  }
  changed_.notify();
}

void Jobs::start_again(Instance& instance) {
  auto& job = instance.job();
  Before before{instance, job.epoch, job.restarts};
  ++job.restarts;
  ++job.epoch;
  instance.exit_code.reset();
  instance.exit_signal.reset();
  instance.exit_text.clear();
  instance.ended_at_ms = 0;
  instance.token = random_hex(16);  // who carries the old one is not of it any more
  instance.remains.clear();
  instance.state = InstanceState::starting;
  instance.process = {};
  tasks_.spawn("start " + job.name() + " again", run_again(instance.id, std::move(before)));
}

asio::awaitable<void> Jobs::run_again(std::string id, Before before) {
  try {
    (void)devices_.at(before.instance.device);
    co_await start_process_of(id, {});
    if (const auto* instance = by_instance(id)) {
      spdlog::warn("job {} is {}, and started again as process {}: {} of {} times",
                   instance->name(), to_string(before.instance.state), instance->process.pid,
                   instance->job().restarts, kRestartsMax);
    }
  } catch (...) {
    if (tasks_.stopping()) throw;  // the next agent finds that it was to start
    const auto error = error_of(std::current_exception());
    auto* instance = by_instance(id);
    if (instance == nullptr) co_return;
    auto& job = instance->job();
    *instance = std::move(before.instance);
    job.epoch = before.epoch;
    job.restarts = before.restarts;
    instance->exit_text += fmt::format("{}it could not be started again: {}",
                                       instance->exit_text.empty() ? "" : "; ", error.failure());
    spdlog::error("job {} is {}: {}", job.name(), to_string(instance->state), instance->exit_text);
    save_when_possible(job);
    changed_.notify();
  }
}

void Jobs::tell_lost(const Instance& instance) {
  const auto text = fmt::format("job {} is lost: {}", instance.name(), instance.exit_text);
  spdlog::error("{}", text);
  events_.emit(
      {.kind = "job_lost", .text = text, .job = instance.name(), .device = instance.device});
}

/// It was never granted: what there is to say of it is in its migration's error and in its log.
void Jobs::drop_standby(Instance& instance) {
  auto& job = instance.job();
  const auto name = job.name();
  const auto id = job.id;
  if (!instance.remains.empty()) {
    tasks_.spawn("end the rest of a standby of " + name, end_rest(family_of(instance)));
  }
  std::error_code absent;
  std::filesystem::remove(status_file(instance), absent);
  const std::filesystem::path log = instance.log_path;
  const bool is_last = remove(instance);
  try {
    (void)shorten_log(log, kStandbyLogMax);
  } catch (const Error& error) {  // it would fill the disk that the journal is on
    spdlog::warn("job {}: the log of its standby does not stay: {}", name, error.failure());
    standby_logs_.remove(log);
  }
  standby_logs_.keep_few(name);
  changed_.notify();
  if (!is_last) return save_when_possible(job);
  try {
    journal_.remove(Journal::Kind::job, id);
  } catch (const Error& disk) {
    spdlog::warn("job {}: the record of its standby stays for now: {}", name, disk.what());
    tasks_.spawn("forget a standby of " + name, remove_when_possible(id));
  }
}

/// The next agent would take it for a standby that lives.
asio::awaitable<void> Jobs::remove_when_possible(std::string id) {
  while (true) {
    co_await pause_for(kRemoveAgain);
    try {
      journal_.remove(Journal::Kind::job, id);
      co_return;
    } catch (const Error&) {  // as it was told
      continue;
    }
  }
}

// ---- ending one

asio::awaitable<void> Jobs::end_moved(std::string id, milliseconds grace) {
  const auto* instance = by_instance(id);
  if (instance == nullptr) co_return;
  const auto met = co_await end_members(family_of(*instance), grace);
  if (auto* record = by_instance(id); record != nullptr && !met.empty()) {
    std::vector<std::string> numbers;
    for (const auto pid : met) numbers.push_back(std::to_string(pid));
    spdlog::info("job {} is {}: processes {} of it were ended here", record->name(),
                 to_string(record->state), first_of(numbers));
    changed_.notify();
  }
}

asio::awaitable<void> Jobs::end_rest(ProcessFamily family) {
  (void)co_await end_members(std::move(family), milliseconds(0));
}

asio::awaitable<std::vector<pid_t>> Jobs::stop(std::string id, milliseconds grace) {
  auto* instance = by_instance(id);
  if (instance == nullptr) co_return std::vector<pid_t>{};
  if (instance->live()) {
    auto& job = instance->job();
    job.spec.restart = RestartRule::never;
    job.stop_asked = true;
    if (job.newer_epoch != 0) grace = milliseconds(0);  // it must not go on to hear SIGTERM
    ownership().on_stop(*instance);
  }
  auto met = co_await end_members(family_of(*instance), grace);
  while ((instance = by_instance(id)) != nullptr && instance->ended_at_ms == 0) {
    co_await changed_.wait_until(Clock::now() + milliseconds(100));
  }
  co_return met;
}

std::vector<pid_t> Jobs::left_of(const std::string& name) const {
  std::vector<pid_t> found;
  for (const auto* instance : instances()) {
    if (instance->name() != name || instance->live()) continue;
    for (const auto& process : members_of(family_of(*instance))) found.push_back(process.pid);
  }
  return found;
}

// ---- what is kept

/// How far jobs are, for the case that nobody can be asked any more.
asio::awaitable<void> Jobs::persist_steps() {
  std::string last;
  while (true) {
    co_await pause_for(kStepEvery);
    const auto all = instances();
    // A downtime is no time for it; that one is frozen which is in no migration is only its word,
    // and a doubt may last for days.
    const auto stands = [this](const Instance* instance) {
      return instance->frozen && !instance->job().migration.empty() &&
             effective_state_of(*instance).kind != EffectiveState::Kind::in_doubt;
    };
    if (std::ranges::any_of(all, stands)) continue;
    // The one after the last, so that each has its turn.
    const auto changed = [](const Instance* instance) {
      return instance->live() && !instance->job().standby && instance->step != instance->saved_step;
    };
    auto next = std::ranges::find(all, last, [](const Instance* instance) { return instance->id; });
    if (next != all.end()) next = std::find_if(std::next(next), all.end(), changed);
    if (next == all.end()) next = std::ranges::find_if(all, changed);
    if (next == all.end()) continue;
    last = (*next)->id;
    auto& job = (*next)->job();
    try {
      save(job);
      for (auto& instance : job.instances) instance.saved_step = instance.step;
    } catch (const Error&) {
      // A full disk is told by those who need it.
    }
  }
}

}  // namespace cardswap
