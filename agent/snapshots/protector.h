#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/config.h"
#include "agent/base/event_sink.h"
#include "agent/base/task_group.h"
#include "agent/handover/source/migrations.h"
#include "agent/jobs/job_list.h"
#include "agent/snapshots/interval_plan.h"

namespace cardswap::snapshots {

/// The parts of the agent that a Protector uses. All outlive it.
struct ProtectorContext {
  const Config& config;
  JobList& jobs;
  Migrations& migrations;
  TaskGroup& tasks;
  EventSink& events;
};

/// Takes the snapshots of protected jobs (Protection) when they are due, and prunes their stores.
///
/// A snapshot that fails is tried again, later each time; the job trains on meanwhile. While
/// another migration of the job runs, the Protector waits; a move that is asked for while one of
/// its own snapshots runs takes precedence (Migrations::make_way()). Its progress is in the job's
/// record, so a restarted agent goes on with it. Owned by the agent; one thread.
class Protector {
 public:
  explicit Protector(const ProtectorContext& parts) : parts_(parts) {}
  Protector(const Protector&) = delete;
  Protector& operator=(const Protector&) = delete;

  /// Begins to watch the jobs. Call it once, after the migrations of a former agent were taken up.
  void start();

 private:
  /// What this run of the agent does for one job.
  struct Activity {
    std::string migration;  ///< the snapshot that it has begun; empty: none
    std::string measured;   ///< the last one that was stored, until its cost counts; empty: none
    bool is_pruning = false;
  };

  asio::awaitable<void> watch();
  /// Does what is to be done for one job now. Waits for no migration.
  asio::awaitable<void> look_at(std::string job_id);
  asio::awaitable<void> begin_snapshot(std::string job_id);
  asio::awaitable<void> prune(std::string job_id);

  [[nodiscard]] std::vector<std::string> protected_jobs();
  /// The protected job of that record. Null: it is gone, or not protected any more.
  [[nodiscard]] Job* find_protected(const std::string& job_id);
  [[nodiscard]] bool may_begin(const Job& job) const;

  void tell_of_arrival(Job& job);
  void note_others(Job& job);
  void see_own_end(Job& job);
  /// What the last snapshot of its own took, once the steps after it are over: told once.
  std::optional<SnapshotCost> take_cost(const Job& job);
  /// Plans the interval of a job whose order is_auto; else does nothing.
  void plan_interval(Job& job);
  void note_stored(Job& job, const MigrationRecord& record, bool is_own);
  void note_failure(Job& job, const Error& error);
  void put_off(Job& job, std::chrono::milliseconds time);
  void start_prune(const Job& job);

  const ProtectorContext parts_;
  std::map<std::string, Activity> activities_;  // by the id of the job's record
};

}  // namespace cardswap::snapshots
