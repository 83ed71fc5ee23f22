#pragma once

#include <set>
#include <string>

#include "agent/health/avoided_targets.h"
#include "agent/health/sources/health_context.h"

namespace cardswap::health {

/// Carries the engine's moves out: chooses a target, starts the migration, follows it, and tells
/// the engine how it ended. Each move is a task. One thread.
class Mover {
 public:
  explicit Mover(const HealthScope& scope);
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  void start(const Move& move);
  /// Follows the moves that a former agent began: they count against the budget until they are
  /// over.
  void resume();
  /// Frees the budget's places of moves that nobody follows any more.
  void release_orphaned_slots();
  /// Forgets which targets jobs avoid that are to move no more.
  void forget_avoided();

 private:
  /// A move that a task of this agent follows. Without such a task its slot in the budget is free.
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
  /// A target, or why there is none.
  struct Choice {
    std::string target;    ///< "HOST:PORT/DEVICE"; empty: none
    std::string why_none;  ///< for people
  };

  asio::awaitable<void> carry_out(Move move);
  asio::awaitable<Choice> choose(Move move);
  asio::awaitable<bool> migrate(Move move, std::string target);
  asio::awaitable<void> resume(std::string job_uid);
  /// Waits for the migration's end; whether it completed.
  asio::awaitable<bool> over(std::string migration);
  void emit_event(const Move& move, const std::string& kind, const std::string& text,
                  const std::string& migration = {});

  TaskGroup& tasks_;
  const Config& config_;
  JobTable& jobs_;
  Migrations& migrations_;
  JournalledEngine& journalled_;
  HealthCounters& counters_;
  AvoidedTargets avoided_;
  std::set<std::string> followed_;  ///< job uids
};

}  // namespace cardswap::health
