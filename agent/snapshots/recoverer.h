#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/jobs/cordon.h"
#include "agent/placement/device_choice.h"
#include "agent/snapshots/recovery_context.h"
#include "agent/snapshots/recovery_device.h"

namespace cardswap::snapshots {

/// The parts of the agent that a Recoverer uses. All outlive it.
struct RecovererContext {
  RecoveryContext recovery;
  const Cordons& cordons;
  IsUsable is_usable;  ///< called while tasks run
};

/// Lets a job whose own copy is gone go on from its newest snapshot (RecoveryState::pending): one
/// that failed and is to be started again, or one that it is ordered to recover.
///
/// The copy that was is ended first, with all its processes; while one of them lives, the job is
/// not started. One that still runs is ended only once a snapshot was found that is whole. Then the
/// newest snapshot of its branch that is whole is sent to the job's program, by the record that the
/// copy had, so that the job, its uid and its limits stay what they were, under a higher epoch. A
/// job is never started at its first step while there is a trace of a snapshot of it. What it owes
/// is in the job's record, so a restarted agent goes on with it. Owned by the agent; one thread.
class Recoverer {
 public:
  explicit Recoverer(RecovererContext context) : context_(std::move(context)) {}
  Recoverer(const Recoverer&) = delete;
  Recoverer& operator=(const Recoverer&) = delete;

  /// Begins to watch the jobs. Call it once, after the migrations of a former agent were taken up.
  void start();

  /// Ends the job's copy here and lets it go on from a snapshot where device_for() says; one that
  /// has ended and never had a snapshot begins at its first step, and one that runs and has none
  /// that is whole runs on. `reason` completes "because ..." in what people are told; a recovery
  /// that is under way already is joined, with its own reason. Returns when that is over, which may
  /// take as long as a process of the copy does not die: why it came to nothing, or nullopt. Throws
  /// Error{not_found} if there is no such job, and Error{io, corrupt} if the disk refuses; then
  /// nothing has happened.
  [[nodiscard]] asio::awaitable<std::optional<Error>> recover(std::string job_name,
                                                              std::string reason);
  /// The device of this host on which the job would go on now.
  [[nodiscard]] DeviceChoice device_for(const Job& job) const;

 private:
  /// Has each pending recovery run, one task a job.
  asio::awaitable<void> watch();
  /// Runs one recovery to its end, and has that told.
  asio::awaitable<void> run_recovery(std::string job_id);
  /// Ends the copy, finds a snapshot, and starts the program from it until that works. Throws why
  /// it comes to nothing.
  asio::awaitable<void> try_until_started(std::string job_id);
  /// Notes that a start came to nothing. Throws `failed` if it was the last one.
  void count_try(const std::string& job_id, const Error& failed);

  const RecovererContext context_;
  std::set<std::string> running_;  // by the id of the job's record
};

}  // namespace cardswap::snapshots
