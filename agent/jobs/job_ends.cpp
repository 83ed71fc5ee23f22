#include "agent/jobs/job_ends.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cassert>
#include <chrono>
#include <filesystem>
#include <utility>

#include "agent/base/units.h"
#include "agent/jobs/instance_processes.h"
#include "agent/jobs/log_limit.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/base/error.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kStandbyLogMax = 1 << 20;
constexpr std::chrono::seconds kRemoveAgain{2};

/// "it ended by signal 9".
std::string how_it_ended(const Instance& instance) {
  const auto& record = instance.record();
  if (record.exit_signal) return fmt::format("it ended by signal {}", *record.exit_signal);
  if (record.exit_code) return fmt::format("it ended with exit code {}", *record.exit_code);
  return record.exit_text.empty() ? "it is lost" : record.exit_text;
}

bool has_broken_down(const Instance& instance) {
  return instance.state() == InstanceState::failed || instance.state() == InstanceState::lost;
}

/// Drops the recovery of a job that ended well, or may run elsewhere. One that broke down as it
/// arrived is tried again.
void drop_recovery_after(Instance& instance) {
  auto& job = instance.job();
  if (!has_broken_down(instance) || job.recovery.is_pending()) JobList::drop_recovery(job);
}

asio::awaitable<void> end_rest(ProcessFamily family) {
  (void)co_await end_members(std::move(family), milliseconds(0));
}

/// Removes a standby's record: the next agent would take the standby for a live one.
asio::awaitable<void> remove_when_possible(JobList& table, std::string id) {
  while (true) {
    co_await pause_for(kRemoveAgain);
    try {
      table.remove_record(id);
      co_return;
    } catch (const Error&) {  // as it was told
      continue;
    }
  }
}

}  // namespace

void JobEnds::set_ownership(JobOwnership& ownership) {
  assert(ownership_ == nullptr);
  ownership_ = &ownership;
}

JobOwnership& JobEnds::ownership() const {
  assert(ownership_ != nullptr);
  return *ownership_;
}

std::optional<BeforeRestart> JobEnds::conclude(Instance& instance, std::vector<ProcessId> remains) {
  auto& job = instance.job();
  note_detached(instance);
  JobList::note(instance, [](InstanceRecord& record) { record.ended_at_ms = unix_ms(); });
  instance.remains = std::move(remains);
  const bool known =
      record_exit_status(instance);  // before a parent that remains tells of this end
  for (const auto& process : instance.remains) signal_process(process, SIGKILL);
  JobList::note(instance, [&](InstanceRecord& record) {
    record.parent = record.init = {};
    record.reserved_bytes = 0;
    const bool failed = record.exit_signal || record.exit_code.value_or(0) != 0;
    record.state = state_after(record.state, {known, failed}, job.stop_asked);
  });
  ownership().on_exit(instance);
  const bool is_sender = instance.is_snapshot_sender();
  const bool recovery_asked = job.recovery.is_pending();
  // Asked only where it decides: what must not be started again is told in the log.
  const bool wants_restart = has_broken_down(instance) && !job.standby && !is_sender &&
                             (recovery_asked || job.spec.restart == RestartRule::on_failure);
  const bool may_restart = wants_restart && ownership().may_restart(instance);
  const auto next = after_end({.state = instance.state(),
                               .standby = job.standby,
                               .restart = job.spec.restart,
                               .restarts = job.restarts,
                               .agent_stops = tasks_.is_stopping(),
                               .may_restart = may_restart,
                               .has_snapshots = !stores_of(job.spec).empty(),
                               .recovery_asked = recovery_asked,
                               .is_sender = is_sender});
  if (next == AfterEnd::drops_standby) {
    drop_standby(instance);
    return std::nullopt;
  }
  if (next == AfterEnd::recovers && !recovery_asked) {
    JobList::order_recovery(job, how_it_ended(instance));
  } else if (next == AfterEnd::ends && !is_sender && !tasks_.is_stopping()) {
    drop_recovery_after(instance);
  }
  const bool goes_on = is_sender && recovery_asked;
  if (instance.state() == InstanceState::lost && !goes_on) report_lost(instance);
  if (next == AfterEnd::ends && may_restart) explain_no_restart(job);
  if (!instance.remains.empty()) {
    tasks_.spawn("end the rest of " + job.name(),
                 end_processes(table_, instance.id(), milliseconds(0)));
  }
  std::optional<BeforeRestart> before;
  if (next == AfterEnd::starts_again) before.emplace(begin_restart(instance));
  try {
    table_.save(job);
    std::error_code absent;
    if (!instance.is_live()) std::filesystem::remove(status_file(instance), absent);
  } catch (const Error& disk) {  // and its status is kept
    spdlog::error("job {} is {}: {}", job.name(), to_string(instance.state()), disk.what());
  }
  table_.changed().notify();
  return before;
}

void JobEnds::explain_no_restart(Job& job) {
  if (job.spec.restart != RestartRule::on_failure || job.restarts < kRestartsMax) return;
  const auto stores = stores_of(job.spec);
  if (stores.empty()) return;
  const auto text = fmt::format(
      "job {} failed, and is not started again: it was {} times already; look into `cardswap logs "
      "{}`, then `cardswap restore {}@latest --store {}` lets it go on",
      job.name(), job.restarts, job.name(), job.name(), stores.front());
  spdlog::error("{}", text);
  events_.emit(
      {.kind = "recovery_failed", .text = text, .job = job.name(), .device = job.first().device()});
}

void JobEnds::report_lost(const Instance& instance) {
  const auto text = fmt::format("job {} is lost: {}", instance.name(), instance.record().exit_text);
  spdlog::error("{}", text);
  events_.emit(
      {.kind = "job_lost", .text = text, .job = instance.name(), .device = instance.device()});
}

void JobEnds::drop_standby(Instance& instance) {
  auto& job = instance.job();
  const auto name = job.name();
  const auto id = job.id;
  if (!instance.remains.empty()) {
    tasks_.spawn("end the rest of a standby of " + name, end_rest(family_of(instance)));
  }
  std::error_code absent;
  std::filesystem::remove(status_file(instance), absent);
  const std::filesystem::path log = instance.record().log_path;
  const bool is_last = table_.remove(instance);
  try {
    (void)shorten_log(log, kStandbyLogMax);
  } catch (const Error& error) {  // it would fill the disk that the journal is on
    spdlog::warn("job {}: the log of its standby does not stay: {}", name, error.failure());
    table_.standby_logs().remove(log);
  }
  table_.standby_logs().keep_few(name);
  table_.changed().notify();
  if (!is_last) return table_.save_when_possible(job);
  try {
    table_.remove_record(id);
  } catch (const Error& disk) {
    spdlog::warn("job {}: the record of its standby stays for now: {}", name, disk.what());
    tasks_.spawn("forget a standby of " + name, remove_when_possible(table_, id));
  }
}

}  // namespace cardswap
