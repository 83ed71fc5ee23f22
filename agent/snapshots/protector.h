#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/attach/runtime_hub.h"
#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/job_list.h"
#include "agent/snapshots/interval_plan.h"
#include "agent/snapshots/snapshot_pruner.h"

namespace cardswap::snapshots {

/// The parts of the agent that a Protector uses. All outlive it.
struct ProtectorContext {
  const Config& config;
  JobList& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  EventSink& events;
  RuntimeHub& hub;
};

/// Takes the snapshots of protected jobs (Protection) when they are due, and has their stores
/// pruned.
///
/// Each job has a task of its own. A snapshot that fails is tried again, later each time; the job
/// trains on meanwhile. While another migration of the job runs, the Protector waits; a move that
/// is asked for while one of its own snapshots runs takes precedence (Migrations::make_way()). Its
/// progress is in the job's record, so a restarted agent goes on with it. Owned by the agent; one
/// thread.
class Protector {
 public:
  explicit Protector(const ProtectorContext& context)
      : context_(context),
        pruner_({context.config, context.jobs, context.migrations, context.tasks, context.events}) {
  }
  Protector(const Protector&) = delete;
  Protector& operator=(const Protector&) = delete;

  /// Begins to watch the jobs. Call it once, after the migrations of a former agent were taken up.
  void start();

 private:
  /// What this run of the agent does for one job.
  struct Activity {
    std::string migration;  ///< the snapshot that it has begun; empty: none
    std::string measured;   ///< the last one that was stored, until its cost counts; empty: none
    std::optional<std::uint64_t> seen_changes;  ///< of the migrations, when it last looked at all
    std::uint64_t dropped = 0;  ///< steps that its gradient log had left out, when that was told
  };

  /// Has each protected job protected by a task.
  asio::awaitable<void> watch();
  /// Protects one job until it is gone, or not protected any more.
  asio::awaitable<void> protect(std::string job_id);
  /// Does what is to be done for one job now. Waits for no migration.
  asio::awaitable<void> look_at(std::string job_id);
  asio::awaitable<void> begin_snapshot(std::string job_id);

  /// The protected job of that record. Null: it is gone, or not protected any more.
  [[nodiscard]] Job* find_protected(const std::string& job_id);
  /// Whether a snapshot of the job can begin now, due or not.
  [[nodiscard]] bool may_begin(const Job& job) const;

  /// Tells once that the order came with the job from another host.
  void tell_of_arrival(Job& job);
  /// Counts what others have put into the same store.
  void note_others(Job& job);
  /// Notes what became of the snapshot that this run of the agent has begun, once it is over.
  void see_own_end(Job& job);
  /// What the last snapshot of its own took, once the steps after it are over: told once.
  std::optional<SnapshotCost> take_cost(const Job& job);
  /// Has the job's program keep the gradient log that is ordered, and tells of steps that it has
  /// left out.
  void see_to_the_log(Job& job);
  /// Plans the interval of a job whose order is_auto; else does nothing.
  void plan_interval(Job& job);
  /// Notes the snapshot of that migration as the job's last one.
  void note_stored(Job& job, const MigrationRecord& record, bool is_own);
  /// Notes that no snapshot could be taken, and when it is tried again.
  void note_failure(Job& job, const Error& error);
  /// Has the next try wait, which is no failure.
  void put_off(Job& job, std::chrono::milliseconds time);

  const ProtectorContext context_;
  std::map<std::string, Activity> activities_;  // of jobs that have a task, by their record's id
  SnapshotPruner pruner_;
};

}  // namespace cardswap::snapshots
