#include "agent/snapshots/recovery_events.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <vector>

#include "agent/base/units.h"
#include "migrator/base/error.h"

namespace cardswap::snapshots {
namespace {

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, "; "));
}

/// The store in which to look first; a placeholder where the job has none.
std::string first_store_of(const Job& job) {
  const auto stores = stores_of(job.spec);
  return stores.empty() ? std::string("file:/FOLDER") : stores.front();
}

std::string steps_are_lost(std::uint64_t steps) {
  return fmt::format("{} {} lost", counted(steps, "step"), steps == 1 ? "is" : "are");
}

}  // namespace

void tell(const RecoveryContext& context, const std::string& kind, const Job& job,
          const std::string& text) {
  spdlog::warn("{}", text);
  context.events.emit(
      {.kind = kind, .text = text, .job = job.name(), .device = job.recovery.device});
}

void tell_recovering(const RecoveryContext& context, const Job& job) {
  tell(context, "recovering", job,
       fmt::format("job {} goes on from its newest snapshot: {}, at step {}", job.name(),
                   job.recovery.reason, job.recovery.last_step));
}

void tell_waits(const RecoveryContext& context, const Job& job, pid_t pid) {
  tell(context, "recovery_waits", job,
       fmt::format("job {} is not started again: process {} of it does not end, though it was "
                   "killed; it goes on from its snapshot once that process is gone (a device or a "
                   "disk that does not answer holds it: reboot the host, and `cardswap restore` "
                   "elsewhere)",
                   job.name(), pid));
}

void tell_recovered(const RecoveryContext& context, const Job& job) {
  const auto& notes = job.recovery;
  const auto& device = job.first().device();
  const auto text = fmt::format(
      "job {} goes on at step {} from snapshot {}{} in {}, on {}, because {}: {}", job.name(),
      notes.from_step(), notes.number, notes.log_step == 0 ? "" : " and its gradient log",
      notes.store, device, notes.reason, steps_are_lost(notes.lost_steps));
  spdlog::warn("{}", text);
  context.events.emit({.kind = "recovered", .text = text, .job = job.name(), .device = device});
}

void tell_begun_anew(const RecoveryContext& context, const Job& job) {
  tell(context, "begins_anew", job,
       fmt::format("job {} has no snapshot yet: it begins at its first step, {}", job.name(),
                   steps_are_lost(job.recovery.last_step)));
}

void tell_failed(const RecoveryContext& context, const Job& job) {
  const auto& first = job.first();
  const auto text = fmt::format(
      "job {} is {} and stays so: {}; it could not go on from a snapshot: {}; hint: {}", job.name(),
      to_string(first.state()), job.recovery.reason, job.recovery.error, job.recovery.hint);
  spdlog::error("{}", text);
  context.events.emit(
      {.kind = "recovery_failed", .text = text, .job = job.name(), .device = first.device()});
}

std::string what_to_do(const Job& job) {
  const auto store = first_store_of(job);
  return fmt::format(
      "`cardswap history {} --store {}` lists its snapshots, `cardswap verify {} {}` reads them "
      "all, `cardswap restore {}@STEP --store {}` goes on from one of them",
      job.name(), store, store, job.name(), job.name(), store);
}

Error no_usable_snapshot(const Job& job, const SnapshotChoice& choice) {
  return Error(Code::corrupt,
               choice.passed_over.empty()
                   ? "there is no snapshot of it in " + joined(stores_of(job.spec))
                   : "none of its snapshots can be used: " + joined(choice.passed_over),
               what_to_do(job));
}

Error no_usable_device(const Job& job, const std::string& why, const Config& config) {
  const auto other = config.peers.empty() ? std::string("HOST:PORT") : config.peers.front();
  return Error(Code::refused, why,
               fmt::format("`cardswap --agent {} restore {}@latest --store {}` goes on on another "
                           "host, if the store is reached there",
                           other, job.name(), first_store_of(job)));
}

}  // namespace cardswap::snapshots
