#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/handover/base/decision_answer.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/protocol/target_rules.h"
#include "agent/handover/source/migration_request.h"
#include "agent/jobs/job.h"
#include "agent/security/access.h"

namespace cardswap {

/// What the move of a rank means for the process here that has the rank, and has promised to stand
/// still for it.
struct RankHold {
  std::string migration;
  std::uint32_t rank = 0;
  bool leaves = false;    ///< it is this rank that moves: what is here may be its only good copy
  bool in_doubt = false;  ///< nobody tells what became of the move
  std::string note;       ///< for operators
};
/// How many moves of ranks are in doubt.
struct RankDoubts {
  std::size_t gangs =
      0;  ///< conducted here: a newcomer's agent does not tell whether it has the job
  std::size_t ranks = 0;  ///< frozen here: the conductor does not tell what it decided
};

/// The moves of ranks of jobs of many, as the routes of migrations show them: each gang is one
/// migration. The folder handover/ knows no gangs, so it asks through this interface; gang::Moves
/// implements it. The agent's thread. A function that takes an id throws Error{not_found} for an
/// unknown one.
class RankMoves {
 public:
  /// Whether a request names a rank of a job, as "JOB/RANK".
  [[nodiscard]] static bool is_rank(const std::string& job) {
    return job.find('/') != std::string::npos;
  }

  /// Begins to move the rank that `wanted` names; returns the migration as the API shows it, once
  /// its first record is on disk. Throws Error if it cannot begin.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> start(
      MigrationRequest wanted) = 0;
  [[nodiscard]] virtual bool has(const std::string& id) const = 0;
  [[nodiscard]] virtual boost::json::object shown(const std::string& id) const = 0;
  /// How it went over time, under the names of a migration's timeline.
  [[nodiscard]] virtual boost::json::object timeline(const std::string& id) const = 0;
  /// shown(), once its version is above `after`; at the latest at `until`, whatever it is then.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> news(
      std::string id, std::uint64_t after, std::chrono::steady_clock::time_point until) = 0;
  /// All of them, the latest first; with `running` those that are not over.
  [[nodiscard]] virtual std::vector<boost::json::object> all(bool running) const = 0;
  /// Gives one up; returns at once. Throws Error{conflict} if it is committed or over.
  virtual void cancel(const std::string& id) = 0;
  /// Lets one that a failpoint holds go on.
  virtual void proceed(const std::string& id) = 0;
  /// An operator's decision about one that cannot end by itself. Throws Error{conflict} where there
  /// is nothing to decide, and unless it overrules, where the newcomer's agent contradicts it.
  virtual void force(const std::string& id, const OperatorDecision& decision) = 0;
  /// The answer to a newcomer's agent that is in doubt, as Migrations::decision() gives it.
  [[nodiscard]] virtual DecisionAnswer decision(const std::string& id,
                                                std::optional<handover::TargetState> said,
                                                const Caller& caller) = 0;
  /// Whether ranks of a job that stay here take part in it: its newcomer may come to this host,
  /// although a job of that name is here.
  [[nodiscard]] virtual bool has_rank_here(const std::string& id) const = 0;
  /// Whether a process that failed may be started again here, as far as its ranks are concerned:
  /// not where one is elsewhere, or has promised a gang that may have given it away. Then the log
  /// says so.
  [[nodiscard]] virtual bool may_restart(const Instance& instance) const = 0;
  /// The hold that means most for a process here; nullopt: no rank of it has promised anything.
  [[nodiscard]] virtual std::optional<RankHold> hold_of(const Instance& instance) const = 0;
  [[nodiscard]] virtual RankDoubts doubts() const = 0;
  /// The first thing that an operator must look at, in one line. Empty: there is none.
  [[nodiscard]] virtual std::string concern() const = 0;
  /// A process has ended; its record says so already.
  virtual void on_exit(const Instance& instance) = 0;

 protected:
  RankMoves() = default;
  RankMoves(const RankMoves&) = default;
  RankMoves& operator=(const RankMoves&) = default;
  ~RankMoves() = default;
};

}  // namespace cardswap
