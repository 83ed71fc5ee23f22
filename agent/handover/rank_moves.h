#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/handover/base/decision_answer.h"
#include "agent/handover/base/reservation_request.h"
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
  /// Whether a request names ranks of a job, as "JOB/RANK,..." or by their host.
  [[nodiscard]] static bool are_ranks(const MigrationRequest& wanted) {
    return wanted.spec.job.find('/') != std::string::npos || !wanted.from.empty();
  }

  /// Whether a rank of that job that is here takes part in one that is under way.
  [[nodiscard]] virtual bool are_moving(const std::string& job) const = 0;
  /// Begins to move the ranks that `wanted` names; returns the migration as the API shows it, once
  /// its first record is on disk, here or at the agent that conducts it. Throws Error if it cannot
  /// begin.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> start(
      MigrationRequest wanted) = 0;
  /// Whether it is conducted here, or by another agent with a rank that is here or was asked for
  /// here.
  [[nodiscard]] virtual bool has(const std::string& id) const = 0;
  [[nodiscard]] virtual boost::json::object shown(const std::string& id) const = 0;
  /// How it went over time, under the names of a migration's timeline.
  [[nodiscard]] virtual boost::json::object timeline(const std::string& id) const = 0;
  /// shown(), once its version is above `after`; at the latest at `until`, whatever it is then.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> news(
      std::string id, std::uint64_t after, std::chrono::steady_clock::time_point until) = 0;
  /// All that are conducted here, the latest first; with `running` those that are not over.
  [[nodiscard]] virtual std::vector<boost::json::object> all(bool running) const = 0;
  /// Moves under way that other agents conduct, and in which a rank of this host takes part, or
  /// which were asked for here. Asks their conductors; leaves out those that do not answer.
  [[nodiscard]] virtual boost::asio::awaitable<std::vector<boost::json::object>>
  running_elsewhere() = 0;
  /// Gives one up; returns it as it is then. Throws Error{conflict} if it is committed or over.
  [[nodiscard]] virtual boost::asio::awaitable<boost::json::object> cancel(std::string id) = 0;
  /// Lets one that a failpoint holds go on.
  virtual void proceed(const std::string& id) = 0;
  /// An operator's decision about one that cannot end by itself. Throws Error{conflict} where there
  /// is nothing to decide, and unless it overrules, where a newcomer's agent contradicts it;
  /// Error{refused} where another agent conducts it.
  virtual void force(const std::string& id, const OperatorDecision& decision) = 0;
  /// Whether a gang that is conducted here has a newcomer whose place has that id.
  [[nodiscard]] virtual bool has_newcomer(const std::string& id) const = 0;
  /// The answer to the agent of that newcomer in doubt, as Migrations::decision() gives it.
  [[nodiscard]] virtual DecisionAnswer decision(const std::string& id,
                                                std::optional<handover::TargetState> said,
                                                const Caller& caller) = 0;
  /// Whether the newcomer may come to this host although a job of that name is here: other ranks of
  /// its own job, one of whose agents `caller` is.
  [[nodiscard]] virtual bool may_come_beside_ranks(const ReservationRequest& wanted,
                                                   const Caller& caller) const = 0;
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
