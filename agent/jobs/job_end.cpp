// How jobs end here: by themselves, by request, or while no agent looked.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/jobs/job_journal.h"
#include "agent/jobs/jobs.h"
#include "agent/jobs/log_limit.h"
#include "agent/jobs/lost.h"
#include "agent/process/child.h"
#include "agent/process/exit_status.h"
#include "migrator/core/error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kRestartsMax = 5;
constexpr std::size_t kStandbyLogsKept = 3;
constexpr std::uint64_t kStandbyLogMax = 1 << 20;
/// One write each: the journal's disk is also what migrations wait for.
constexpr seconds kStepEvery{3};

/// By whose end a job's end is seen: who writes down its exit status first.
ProcessId watched_of(const Job& job) {
  if (job.init.pid != 0) return job.init;
  return job.parent.pid != 0 ? job.parent : job.process;
}

}  // namespace

std::vector<pid_t> still_alive(const Job& job) {
  std::vector<pid_t> found;
  if (job.live()) return found;
  if (is_alive(job.process)) found.push_back(job.process.pid);
  for (const auto& process : job.remains) {
    if (process.pid != job.process.pid && is_alive(process)) found.push_back(process.pid);
  }
  return found;
}

std::filesystem::path Jobs::status_file(const Job& job) { return job.log_path + ".exit"; }

Family Jobs::family_of(const Job& job) { return {job.process, job.parent, job.init, job.token}; }

// ---- what a former agent left

Jobs::Recovered Jobs::recover(const std::function<bool(const Job&)>& keep) {
  Recovered seen;
  // Tasks begin when the agent's loop turns: all its parts have recovered by then.
  const auto here = boot_id();
  const auto marked = processes_by_token();
  journal_.each(Journal::Kind::job,
                [&](const auto& record) { jobs_.push_back(job_from_journal(record)); });
  for (auto& job : jobs_) {
    // Another boot gives the same numbers to others, at the same times too.
    if (!job.boot_id.empty() && job.boot_id != here) job.process = job.parent = job.init = {};
    const bool lives_on = marked.contains(job.token) || is_alive(job.process);
    const bool left_over = job.standby && job.live() && !keep(job);
    if (left_over) {
      for (const auto& process : members_of(family_of(job))) signal_process(process, SIGKILL);
      tasks_.spawn("watch " + job.name, watch(job.instance));
    } else if (job.live()) {
      if (job.newer_epoch != 0) keep_fenced(job);
      const bool lives = is_alive(watched_of(job)) || is_alive(job.process);
      const bool told = read_exit_status(status_file(job)).has_value();
      ++(lives ? seen.taken_up : told ? seen.gone : seen.lost);
      tasks_.spawn("watch " + job.name, watch(job.instance));
    } else {
      if (job.ended_at_ms == 0) tasks_.spawn("watch " + job.name, watch(job.instance));
      if (!lives_on) continue;
      job.remains = members_of(family_of(job));
      tasks_.spawn("end the rest of " + job.name, end_moved(job.instance, milliseconds(0)));
    }
  }
  tasks_.spawn("keep the steps of jobs", keep_steps());
  return seen;
}

// ---- the end of one

asio::awaitable<void> Jobs::reap(ProcessId child) { (void)co_await end_of(child); }

asio::awaitable<void> Jobs::watch(std::string instance) {
  auto* job = by_instance(instance);
  if (job == nullptr) co_return;
  const auto watched = watched_of(*job);
  const auto program = job->process;
  // A stand-in's status is taken by take_exit_status(), which this must not do before.
  const bool is_stand_in = watched == program;
  if (is_stand_in) {
    co_await gone(watched);
  } else {
    (void)co_await end_of(watched);
  }
  const auto is_its = [&] {
    job = by_instance(instance);
    return job != nullptr && watched_of(*job) == watched;
  };
  // Somebody killed the parent: nobody will tell how the program ends, but it runs.
  if (is_its() && watched == job->parent && !read_exit_status(status_file(*job))) {
    co_await gone(program);
  }
  if (is_its()) {
    ended(*job);
  } else if (is_stand_in && watched.pid > 0) {
    (void)::waitpid(watched.pid, nullptr, WNOHANG);  // its time was over
  }
}

/// False when nobody can tell.
bool Jobs::take_exit_status(Job& job) {
  job.exit_code.reset();
  job.exit_signal.reset();
  job.exit_text.clear();
  const bool same_boot = job.boot_id.empty() || job.boot_id == boot_id();
  if (const auto told = read_exit_status(status_file(job))) {
    job.exit_code = told->code;
    job.exit_signal = told->signal;
    return true;
  }
  if (job.init.pid != 0 && same_boot) {
    job.exit_signal = SIGKILL;
    job.exit_text = "it was killed together with its PID namespace";
    return true;
  }
  int status = 0;
  if (job.parent.pid == 0 && job.process.pid > 0 &&
      ::waitpid(job.process.pid, &status, WNOHANG) == job.process.pid) {
    if (WIFEXITED(status)) job.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) job.exit_signal = WTERMSIG(status);
    return true;
  }
  job.exit_text = why_lost({!same_boot, booted_at_ms(), unix_ms(), job.step});
  return false;
}

void Jobs::ended(Job& job) {
  job.attached = false;
  job.ended_at_ms = unix_ms();
  const auto family = family_of(job);
  job.remains = members_of(family);
  const bool told = take_exit_status(job);  // before a parent that remains tells of this end
  for (const auto& process : job.remains) signal_process(process, SIGKILL);
  job.parent = job.init = {};
  job.reserved_bytes = 0;
  leashes_.erase(job.instance);
  const bool failed = job.exit_signal || job.exit_code.value_or(0) != 0;
  if (job.state != "moved") {
    job.state = told && !failed ? "ended" : job.stop_asked ? "stopped" : told ? "failed" : "lost";
  }
  if (hooks_.on_exit) hooks_.on_exit(job);
  if (job.standby) return drop_standby(job.instance);
  if (job.state == "lost") tell_lost(job);
  if (!job.remains.empty()) {
    tasks_.spawn("end the rest of " + job.name, end_moved(job.instance, milliseconds(0)));
  }
  if ((job.state == "failed" || job.state == "lost") && job.restart == "on-failure" &&
      job.restarts < kRestartsMax && !tasks_.stopping() &&
      (!hooks_.may_restart || hooks_.may_restart(job))) {
    start_again(job);
  }
  try {
    save(job);
    std::error_code absent;
    if (!job.live()) std::filesystem::remove(status_file(job), absent);
  } catch (const Error& disk) {
    spdlog::error("job {} is {}: {}", job.name, job.state, disk.what());  // and its status is kept
  }
  changed_.notify();
}

void Jobs::start_again(Job& job) {
  const auto before = job;
  ++job.restarts;
  ++job.epoch;
  job.exit_code.reset();
  job.exit_signal.reset();
  job.exit_text.clear();
  job.ended_at_ms = 0;
  job.token = random_hex(16);  // who carries the old one is not of it any more
  job.remains.clear();
  job.state = "starting";
  job.process = {};
  tasks_.spawn("start " + job.name + " again", run_again(job.instance, before));
}

asio::awaitable<void> Jobs::run_again(std::string instance, Job before) {
  try {
    (void)device(before.device);
    co_await start_process_of(instance, {});
    if (const auto* job = by_instance(instance)) {
      spdlog::warn("job {} is {}, and started again as process {}: {} of {} times", job->name,
                   before.state, job->process.pid, job->restarts, kRestartsMax);
    }
  } catch (...) {
    if (tasks_.stopping()) throw;  // the next agent finds that it was to start
    const auto error = error_of(std::current_exception());
    auto* job = by_instance(instance);
    if (job == nullptr) co_return;
    before.stop_asked = job->stop_asked;
    before.restart = job->restart;
    *job = std::move(before);
    job->exit_text += fmt::format("{}it could not be started again: {}",
                                  job->exit_text.empty() ? "" : "; ", error.failure());
    spdlog::error("job {} is {}: {}", job->name, job->state, job->exit_text);
    save_when_possible(*job);
    changed_.notify();
  }
}

void Jobs::tell_lost(const Job& job) {
  const auto text = fmt::format("job {} is lost: {}", job.name, job.exit_text);
  spdlog::error("{}", text);
  tell({.kind = "job_lost", .text = text, .job = job.name, .device = job.device});
}

/// It was never granted: what there is to say of it is in its migration's error and in its log.
void Jobs::drop_standby(const std::string& instance) {
  const auto found = std::ranges::find(jobs_, instance, &Job::instance);
  if (found == jobs_.end()) return;
  const auto name = found->name;
  const auto id = found->instance;  // whoever asks may name it by the record that goes
  if (!found->remains.empty()) {
    tasks_.spawn("end the rest of a standby of " + name, end_rest(family_of(*found)));
  }
  std::error_code absent;
  std::filesystem::remove(status_file(*found), absent);
  const std::filesystem::path log = found->log_path;
  jobs_.erase(found);
  try {
    (void)shorten_log(log, kStandbyLogMax);
  } catch (const Error& error) {  // it would fill the disk that the journal is on
    spdlog::warn("job {}: the log of its standby does not stay: {}", name, error.failure());
    remove_log(log);
  }
  keep_few_logs(name);
  changed_.notify();
  journal_.remove(Journal::Kind::job, id);
}

// ---- ending one

asio::awaitable<void> Jobs::end_moved(std::string instance, milliseconds grace) {
  const auto* job = by_instance(instance);
  if (job == nullptr) co_return;
  const auto met = co_await end_members(family_of(*job), grace);
  if (auto* record = by_instance(instance); record != nullptr && !met.empty()) {
    spdlog::info("job {} is {}: processes {} of it were ended here", record->name, record->state,
                 fmt::join(met, ", "));
    changed_.notify();
  }
}

asio::awaitable<void> Jobs::end_rest(Family family) {
  (void)co_await end_members(std::move(family), milliseconds(0));
}

asio::awaitable<std::vector<pid_t>> Jobs::stop(std::string instance, milliseconds grace) {
  auto* job = by_instance(instance);
  if (job == nullptr) co_return std::vector<pid_t>{};
  if (job->live()) {
    job->restart = "never";
    job->stop_asked = true;
    if (job->newer_epoch != 0) grace = milliseconds(0);  // it must not go on to hear SIGTERM
  }
  auto met = co_await end_members(family_of(*job), grace);
  while ((job = by_instance(instance)) != nullptr && job->ended_at_ms == 0) {
    co_await changed_.wait_until(Clock::now() + milliseconds(100));
  }
  co_return met;
}

std::vector<pid_t> Jobs::left_of(const std::string& name) const {
  std::vector<pid_t> found;
  for (const auto& job : jobs_) {
    if (job.name != name || job.live()) continue;
    for (const auto& process : members_of(family_of(job))) found.push_back(process.pid);
  }
  return found;
}

// ---- what is kept

/// Logs of standbys that failed stay for a while, for whoever asks why.
void Jobs::keep_few_logs(const std::string& name) const {
  auto logs = standby_logs(name);
  for (std::size_t i = kStandbyLogsKept; i < logs.size(); ++i) {
    std::error_code absent;
    std::filesystem::remove(logs[i], absent);
  }
}

bool Jobs::forget_standby_log(const std::string& name, const std::string& migration) const {
  const auto log = config_.job_dir(name) / ("log-" + migration);
  if (std::ranges::find(jobs_, log.string(), &Job::log_path) != jobs_.end()) return false;
  remove_log(log);
  return true;
}

/// Not of a job that is known, nor in a folder that this agent has not made.
void Jobs::remove_log(const std::filesystem::path& log) const {
  if (std::ranges::find(jobs_, log.string(), &Job::log_path) != jobs_.end() ||
      log.parent_path().parent_path() != config_.job_dir("x").parent_path()) {
    return;
  }
  std::error_code absent;
  std::filesystem::remove(log, absent);
  std::filesystem::remove(log.string() + ".exit", absent);
  const auto folder = log.parent_path();
  if (std::ranges::find(jobs_, folder.filename().string(), &Job::name) == jobs_.end()) {
    for (const auto* of_criu :
         {"criu-restore.log", "criu-dump.log", "cardswap-init.log", "keeper.log"}) {
      std::filesystem::remove(folder / of_criu, absent);
    }
  }
  std::filesystem::remove(folder, absent);  // only when it is empty
}

std::vector<std::filesystem::path> Jobs::standby_logs(const std::string& name) const {
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(config_.job_dir(name), gone)) {
    const auto file = entry.path().filename().string();
    const bool in_use = std::ranges::any_of(
        jobs_, [&](const Job& job) { return job.log_path == entry.path().string(); });
    if (!file.starts_with("log-") || entry.path().has_extension() || in_use) continue;
    found.emplace_back(entry.last_write_time(gone), entry.path());
  }
  std::ranges::sort(found, std::greater());
  std::vector<std::filesystem::path> logs;
  for (auto& [at, path] : found) logs.push_back(std::move(path));
  return logs;
}

/// How far jobs are, for the case that nobody can be asked any more.
asio::awaitable<void> Jobs::keep_steps() {
  std::string last;
  while (true) {
    co_await pause_for(kStepEvery);
    // A downtime is no time for it; that one is frozen which is in no migration is only its word.
    const auto stands = [](const Job& job) { return job.frozen && !job.migration.empty(); };
    if (std::ranges::any_of(jobs_, stands)) continue;
    // The one after the last, so that each has its turn.
    const auto changed = [](const Job& job) {
      return job.live() && !job.standby && job.step != job.saved_step;
    };
    auto next = std::ranges::find(jobs_, last, &Job::instance);
    if (next != jobs_.end()) next = std::find_if(std::next(next), jobs_.end(), changed);
    if (next == jobs_.end()) next = std::ranges::find_if(jobs_, changed);
    if (next == jobs_.end()) continue;
    last = next->instance;
    try {
      save(*next);
      next->saved_step = next->step;
    } catch (const Error&) {
      // A full disk is told by those who need it.
    }
  }
}

}  // namespace cardswap
