#pragma once

#include <boost/json/object.hpp>
#include <set>
#include <string>
#include <vector>

#include "agent/health/avoided_targets.h"
#include "agent/health/decisions/journalled_engine.h"
#include "agent/health/health_context.h"
#include "agent/health/sources/health_counters.h"
#include "agent/placement/device_choice.h"
#include "agent/placement/placement.h"

namespace cardswap::health {

/// Carries out the engine's moves: chooses a target, starts the migration, follows it, and reports
/// to the engine how it ended. Each move is a task. One thread.
class Mover {
 public:
  /// `journalled` and `counters` must outlive it.
  Mover(const HealthContext& context, JournalledEngine& journalled, HealthCounters& counters);
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  /// Starts the task of a move. In a dry run it only looks for a target and reports it.
  void start(const Move& move);
  /// Follows the moves that a former agent began: they count against the budget until they are
  /// over.
  void follow_former();
  /// Frees the budget's places of moves that no task follows any more.
  void release_orphaned_slots();
  /// Forgets the avoided targets of jobs that are over or whose fault is over.
  void forget_avoided();

 private:
  /// Marks a move as followed, as long as its task runs.
  class Followed {
   public:
    Followed(Mover& mover, std::string job_uid) : mover_(mover), job_uid_(std::move(job_uid)) {}
    ~Followed() { mover_.followed_.erase(job_uid_); }
    Followed(const Followed&) = delete;
    Followed& operator=(const Followed&) = delete;

   private:
    Mover& mover_;
    std::string job_uid_;
  };
  /// Makes one move, from the choice of its target to its end.
  asio::awaitable<void> run_move(Move move);
  /// The target of the move: the address of a device; of ranks those of as many, with commas
  /// between them.
  asio::awaitable<DeviceChoice> choose(Move move);
  /// The device of this host on which the job would go on from its newest snapshot: its address.
  [[nodiscard]] DeviceChoice choose_here(const Move& move) const;
  /// Ends the job and lets it go on from its newest snapshot. Returns whether it does.
  asio::awaitable<bool> recover(Move move);
  /// Starts a migration to `target` and waits for its end. Returns whether it moved the job.
  /// Throws Error if the migration cannot start.
  asio::awaitable<bool> migrate(Move move, std::string target);
  /// Does so with the ranks of a job of many on one device, each to one of the targets.
  asio::awaitable<bool> migrate_ranks(Move move, std::string targets);
  /// What the move needs a device for: the job, or each of its ranks on the device.
  [[nodiscard]] std::vector<PlacementJob> parts_of(const Move& move) const;
  /// Waits for the end of a move of ranks, and returns it.
  asio::awaitable<boost::json::object> end_of_ranks(std::string id);
  /// Follows the move of a job that a former agent began.
  asio::awaitable<void> follow_former(std::string job_uid);
  /// Waits for the migration's end. Returns whether it moved the job.
  asio::awaitable<bool> wait_for_end(std::string migration);
  void emit_event(const Move& move, const std::string& kind, const std::string& text,
                  const std::string& migration = {});

  TaskGroup& tasks_;
  const Config& config_;
  JobList& jobs_;
  Migrations& migrations_;
  RankMoves& rank_moves_;
  snapshots::Recoverer& recoverer_;
  JournalledEngine& journalled_;
  HealthCounters& counters_;
  AvoidedTargets avoided_;
  std::set<std::string> followed_;  ///< job uids
};

}  // namespace cardswap::health
