#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/gang/gang_client.h"
#include "agent/gang/gang_task.h"
#include "agent/gang/gangs.h"
#include "agent/gang/move_factory.h"
#include "agent/gang/own_address.h"
#include "agent/gang/rank_task.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/rank_moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/source/target_client.h"

namespace cardswap::gang {

/// The facade of the gangs in which this agent takes part: those that it conducts, and the ranks of
/// gangs whose processes are here. It passes each request of an operator or of another agent, and
/// each message of a rank's runtime, on to the right one; a request about a gang that another agent
/// conducts, to that agent.
///
/// Behind it, MoveFactory makes new gangs, a GangTask conducts each, and a RankTask works on each
/// rank. Owned by the agent; one thread.
class Moves final : public Gangs, public RankMoves {
 public:
  /// All references must outlive it. `forgetting` is called with an ended gang before it is
  /// forgotten; it may be empty.
  Moves(const HandoverContext& context, Migrations& migrations,
        std::function<void(const GangRecord&)> forgetting = {});
  ~Moves() override;

  /// Reads the records that a former agent left. Call it once, before the jobs' processes are taken
  /// up: whether one that has ended is started again, the records tell.
  void load();
  /// Goes on with them: a gang that was not committed is given up, any other is finished; a rank
  /// that has promised waits for its conductor. Call it once, after the jobs are loaded. Throws
  /// Error{io, corrupt} if the disk refuses.
  void take_up_after_restart();

  /// Where the agents of other ranks reach this one (own_agent_address()).
  [[nodiscard]] std::string own_address() const { return own_agent_address(context_.config); }

  /// The gangs that this agent conducts or has conducted, by their ids.
  [[nodiscard]] const std::map<std::string, std::shared_ptr<GangTask>>& gangs() const {
    return gangs_;
  }

  // RankMoves
  boost::asio::awaitable<boost::json::object> start(MigrationRequest wanted) override;
  bool has(const std::string& id) const override;
  bool are_moving(const std::string& job) const override;
  boost::json::object shown(const std::string& id) const override;
  boost::json::object timeline(const std::string& id) const override;
  boost::asio::awaitable<boost::json::object> news(
      std::string id, std::uint64_t after, std::chrono::steady_clock::time_point until) override;
  std::vector<boost::json::object> all(bool running) const override;
  boost::asio::awaitable<std::vector<boost::json::object>> running_elsewhere() override;
  boost::asio::awaitable<boost::json::object> cancel(std::string id) override;
  void proceed(const std::string& id) override { gang_at(id).proceed(); }
  void force(const std::string& id, const OperatorDecision& decision) override;
  bool has_newcomer(const std::string& id) const override;
  DecisionAnswer decision(const std::string& id, std::optional<handover::TargetState> said,
                          const Caller& caller) override;
  bool may_come_beside_ranks(const ReservationRequest& wanted, const Caller& caller) const override;
  bool may_restart(const Instance& instance) const override;
  std::optional<RankHold> hold_of(const Instance& instance) const override;
  RankDoubts doubts() const override;
  std::string concern() const override;
  void on_exit(const Instance& instance) override;

  // Gangs
  RankReport obey(const std::string& gang, std::uint32_t rank, const Order& order,
                  const std::optional<Invitation>& invitation, const Caller& caller) override;
  boost::asio::awaitable<RankReport> report(std::string gang, std::uint32_t rank,
                                            std::uint64_t after,
                                            std::chrono::steady_clock::time_point until,
                                            Caller caller) override;
  Order decision(const std::string& gang, std::uint32_t rank, Epoch epoch,
                 const Caller& caller) override;
  boost::asio::awaitable<boost::json::object> begin(MigrationRequest wanted,
                                                    Caller caller) override;
  boost::asio::awaitable<boost::json::object> conducted(std::string gang, std::uint64_t after,
                                                        std::chrono::steady_clock::time_point until,
                                                        Caller caller) override;
  boost::json::object give_up(const std::string& gang, const Caller& caller) override;
  RankFacts facts(const std::string& job, std::uint32_t rank, bool leaves,
                  const Caller& caller) override;

  // From the runtimes of ranks
  /// A runtime has attached: it is told again what it may have missed.
  void on_attached(const Instance& instance, const channel::Hello& hello);
  void on_message(const Instance& instance, std::uint32_t rank, const channel::Message& message);
  /// The connection of a rank's runtime was closed: perhaps its process has ended.
  void on_detached(const Instance& instance, std::uint32_t rank);

 private:
  using RankKey = std::pair<std::string, std::uint32_t>;  // gang, rank
  /// A gang that another agent conducts.
  struct Elsewhere {
    std::string conductor;
    bool is_over = false;  ///< as its conductor has said
  };

  [[nodiscard]] GangTask& gang_at(const std::string& id) const;
  /// The gang and the rank of the newcomer whose place has that id. Null: none is conducted here.
  [[nodiscard]] std::pair<GangTask*, std::uint32_t> find_newcomer(const std::string& id) const;
  /// HOST:PORT of the agent that conducts a gang of which this one knows; empty: this one does, or
  /// it knows of none.
  [[nodiscard]] std::string conductor_elsewhere(const std::string& id) const;
  boost::asio::awaitable<boost::json::object> conduct(AskedMove asked);
  boost::asio::awaitable<boost::json::object> pass_on(AskedMove asked);
  /// Asks its conductor for a gang, and notes whether it is over.
  boost::asio::awaitable<boost::json::object> asked_of(std::string conductor, std::string id,
                                                       std::uint64_t after,
                                                       std::chrono::milliseconds wait);
  /// Throws Error{refused} that names the conductor, if that is another agent. `verb` is that of
  /// the command to ask there, and what comes behind the id.
  void check_is_here(const std::string& id, const std::string& verb) const;
  void check_is_free(const std::string& job) const;
  [[nodiscard]] RankTask& rank_at(const std::string& gang, std::uint32_t rank,
                                  const Caller& caller) const;
  /// The task of a rank that is not over. Null: there is none.
  [[nodiscard]] RankTask* find_running(const std::string& instance, std::uint32_t rank) const;
  RankTask& join(const std::string& gang, std::uint32_t rank, const Order& order,
                 const Invitation& invitation, const Caller& caller);
  void add(GangRecord record, std::optional<GangPlan> plan);
  void on_ended(const GangRecord& record);
  /// Opens again the stores of jobs that go on, where they were: their values are gone, and groups
  /// that a job makes from here on need none of them.
  void open_stores_again();
  asio::awaitable<void> open_again(GangRecord record);
  void forget_old();
  [[nodiscard]] RankHold hold_of(const RankTask& rank) const;
  /// Whether a job of this host has lost a rank by that gang, and has not begun anew since.
  [[nodiscard]] bool has_broken(const GangTask& gang) const;
  [[nodiscard]] bool has_lost_the_record_of(const std::string& gang, std::uint32_t rank) const;
  void note_lost(const Instance& instance, std::uint32_t rank, const std::string& gang);
  /// Throws Error{unauthorized} for a caller that is not the agent at `address`.
  void check_is(const Caller& caller, const std::string& address, const char* what) const;
  /// Whether the caller is one of the agents at `agents`, or may be: agents have no certificates.
  [[nodiscard]] bool is_one_of(const Caller& caller, const std::vector<std::string>& agents) const;
  /// The highest epoch that a move of the job which is known here was to lead to, or 0.
  [[nodiscard]] Epoch epochs_tried(const std::string& job) const;

  const HandoverContext context_;
  const std::function<void(const GangRecord&)> forgetting_;
  GangClient client_;
  TargetClient targets_;
  MoveFactory factory_;
  std::map<std::string, std::shared_ptr<GangTask>> gangs_;
  std::map<RankKey, std::shared_ptr<RankTask>> ranks_;
  std::map<std::string, std::shared_ptr<TcpStore>> stores_;  // by gang; shared with its coroutines
  std::map<std::string, std::string> lost_;  // by instance: the gang of a rank without its record
  std::map<std::string, std::string> starting_;  // by job: the move that is prepared
  std::map<std::string, Elsewhere> elsewhere_;   // by gang: those begun by pass_on()
};

}  // namespace cardswap::gang
