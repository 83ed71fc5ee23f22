#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/cordon.h"
#include "agent/jobs/jobs.h"
#include "agent/snapshots/recovery_device.h"
#include "agent/snapshots/recovery_point.h"

namespace cardswap::snapshots {

/// The parts of the agent that a Recoverer uses. All outlive it.
struct RecovererContext {
  Jobs& jobs;
  Migrations& migrations;
  const Cordons& cordons;
  TaskGroup& tasks;
  EventSink& events;
  const Config& config;
  IsUsable is_usable;  ///< called while tasks run
};

/// Lets jobs go on from their snapshots whose own copy is gone (RecoveryNotes::is_pending): those
/// that failed and are to be started again, and those that it is ordered to recover.
///
/// The copy that was is ended first, with all its processes; while one of them lives, the job is
/// not started. One that still runs is ended only once a snapshot was found that is whole. Then the
/// newest snapshot of its branch that is whole is sent to the job's program, by the record that the
/// copy had, so that the job, its uid and its limits stay what they were, under a higher epoch. A
/// job is never started at its first step while there is a trace of a snapshot of it. What it owes
/// is in the job's record, so a restarted agent goes on with it. Owned by the agent; one thread.
class Recoverer {
 public:
  explicit Recoverer(RecovererContext parts) : parts_(std::move(parts)) {}
  Recoverer(const Recoverer&) = delete;
  Recoverer& operator=(const Recoverer&) = delete;

  /// Begins to watch the jobs. Call it once, after the migrations of a former agent were taken up.
  void start();

  /// Ends the job's copy here and lets it go on from a snapshot where device_for() says; one that
  /// has ended and never had a snapshot begins at its first step, and one that runs and has none
  /// that is whole runs on. `reason` is for people. Returns when that is over: why it came to
  /// nothing, or nullopt. Throws Error{not_found} if there is no such job, and Error{io, corrupt}
  /// if the disk refuses; then nothing has happened.
  [[nodiscard]] asio::awaitable<std::optional<Error>> recover(std::string job_name,
                                                              std::string reason);
  /// The device of this host on which the job would go on now.
  [[nodiscard]] RecoveryDevice device_for(const Job& job) const;

 private:
  asio::awaitable<void> watch();
  asio::awaitable<void> carry_out(std::string job_id);
  /// One recovery from beginning to end. Throws why it comes to nothing.
  asio::awaitable<void> go_through(std::string job_id);
  /// Returns once no process of the copy is alive and no migration of it runs.
  asio::awaitable<void> end_copy(std::string job_id);
  asio::awaitable<RecoveryPoint> find_point(std::string job_id);
  /// Sends the snapshot to the job's program on `device`. Returns once the job goes on there.
  asio::awaitable<void> start_from(std::string job_id, RecoveryPoint point, std::string device);
  /// Starts the job's program at its first step. The recovery is owed until the program runs, so
  /// that a start which fails is told, and one that an agent's end cuts short is made by the next.
  asio::awaitable<void> start_anew(std::string job_id, std::string device);

  /// The job of that record while its recovery is owed. Throws Error{cancelled} if it is not any
  /// more: somebody has stopped it, or has started another one of its name.
  [[nodiscard]] Job& owed(const std::string& job_id);
  void note_first_stored(Job& job);
  void take_over_failed_start(const std::string& sender_id, const std::string& name,
                              const Error& error);
  [[nodiscard]] std::uint64_t epoch_above(const Job& job, std::uint64_t of_snapshot) const;
  void give_up(const std::string& job_id, const Error& why);
  void tell(const std::string& kind, const Job& job, const std::string& text);
  void tell_recovered(const std::string& name);

  const RecovererContext parts_;
  std::set<std::string> running_;  // by the id of the job's record
};

}  // namespace cardswap::snapshots
