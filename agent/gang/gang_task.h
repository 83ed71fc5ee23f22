#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/signal.h"
#include "agent/gang/failpoint.h"
#include "agent/gang/gang_client.h"
#include "agent/gang/gang_executor.h"
#include "agent/gang/gang_record.h"
#include "agent/gang/invitation.h"
#include "agent/gang/rank_lines.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/target_client.h"

namespace cardswap::gang {

/// What a gang needs besides its record until its ranks have joined; not after a restart.
struct GangPlan {
  std::map<std::uint32_t, ReservationRequest> places;  ///< of the newcomers, by rank
  std::string conductor;                               ///< HOST:PORT of this agent
  std::string rendezvous;                              ///< HOST:PORT
  std::vector<std::uint32_t> moved;                    ///< the ranks that leave
  std::uint64_t margin = 2;  ///< steps between the furthest rank's and the proposed one
  double handover_ms = 0;    ///< as Invitation::handover_ms
  std::string failpoint;     ///< as Failpoint has it
};

/// Conducts one gang: sends orders to the ranks' agents and messages to the newcomers', hears their
/// answers, and watches who is silent. GangSide decides what follows; GangExecutor carries it out.
///
/// One coroutine a rank and one a newcomer ask for news; calls that change something go their
/// own way (RankLines). Shared by Moves and by each of its coroutines. One thread.
class GangTask final : public GangPorts, public std::enable_shared_from_this<GangTask> {
 public:
  /// The calls to other agents; both outlive it.
  struct Clients {
    GangClient& ranks;
    TargetClient& targets;
  };
  /// All references must outlive it. `plan`: nullopt after a restart. `ended` is called once, when
  /// it has ended.
  GangTask(const HandoverContext& context, Clients clients, GangRecord record,
           std::optional<GangPlan> plan, std::function<void(const GangRecord&)> ended);

  /// The record as it is on disk; a state that needs no record may be further.
  [[nodiscard]] const GangRecord& record() const { return record_; }
  [[nodiscard]] GangState state() const { return executor_.side().state(); }
  [[nodiscard]] boost::json::object shown() const;
  /// How the transfer of its state went, as far as this agent saw it.
  [[nodiscard]] const Timeline& samples() const { return samples_; }
  /// Notified of each change of shown().
  [[nodiscard]] Signal& news() { return changed_; }
  /// Whether nothing is left to do for it.
  [[nodiscard]] bool is_done() const;

  /// Whether a newcomer's agent does not tell whether it has the job, which stands or has lost a
  /// rank until it does.
  [[nodiscard]] bool is_in_doubt() const;

  /// Writes the first record to disk, and begins. Throws Error{io, corrupt} if the disk refuses.
  void start();
  /// Goes on from a record that a former agent left.
  void take_up();
  /// Gives the gang up, unless it is committed: `why` is told.
  void give_up(Error why);
  /// RankMoves::proceed().
  void proceed();
  /// RankMoves::force().
  void force(const OperatorDecision& decision);
  [[nodiscard]] Order decision(std::uint32_t rank, Epoch epoch) const {
    return executor_.decision(rank, epoch);
  }
  /// What the agent of a rank's newcomer in doubt is answered, whatever its state is.
  [[nodiscard]] handover::Message answer_to_newcomer(std::uint32_t rank) const;

  // GangPorts
  void save(const GangDurable& next) override;
  void order(std::uint32_t rank, const Order& order) override;
  void tell(std::uint32_t rank, const handover::Message& message) override;
  void alert(const GangDurable& gang) override;

 private:
  using Clock = std::chrono::steady_clock;
  /// What is known of a peer besides what decides.
  struct Contact {
    std::uint64_t version = 0;
    Clock::time_point heard_at = Clock::now();
    Clock::time_point ticked_at{};
    bool knows = false;  ///< its agent has answered with a state
  };
  /// The newcomer of a rank that leaves.
  struct Newcomer {
    Contact contact;
    Clock::time_point told_at{};         ///< an operator, of its agent's silence
    std::optional<TargetStatus> parked;  ///< where it receives the state
    bool is_reserved = false;            ///< its agent has the place, or may have it
    bool is_asked = false;               ///< reserve is under way, or was
  };

  void begin_to_watch();
  // They end once begin_to_watch() was called after them, too: `watch` is not watch_ then.
  asio::awaitable<void> walk(std::shared_ptr<GangTask> self, std::uint64_t watch);
  asio::awaitable<void> count_steps();
  asio::awaitable<void> watch_rank(std::shared_ptr<GangTask> self, std::uint32_t rank,
                                   std::uint64_t watch);
  asio::awaitable<void> watch_newcomer(std::shared_ptr<GangTask> self, std::uint32_t rank,
                                       std::uint64_t watch);
  asio::awaitable<RankReport> call(std::uint32_t rank, Order order);
  asio::awaitable<TargetAnswer> call(std::uint32_t rank, handover::Message message);
  asio::awaitable<void> reserve(std::uint32_t rank);
  void hear(std::uint32_t rank, const RankReport& report);
  void hear_newcomer(std::uint32_t rank, const handover::Message& asked,
                     const TargetAnswer& answer);
  void hear_of_no_newcomer(std::uint32_t rank);
  void on_rank_silent(std::uint32_t rank, const Error& why);
  void on_newcomer_failed(std::uint32_t rank, const handover::Message& asked, const Error& why);
  void apply(GangEvent event);
  void drive(const std::function<void()>& change);
  void touch();
  void note_result();
  void note_stats(std::uint32_t rank, const MigrationStats& stats);
  [[nodiscard]] RankRef ref(std::uint32_t rank) const;
  [[nodiscard]] TargetClient::ReservationRef place_of(std::uint32_t rank) const;
  [[nodiscard]] std::optional<Invitation> invitation(std::uint32_t rank) const;
  [[nodiscard]] bool is_before_commit() const;
  /// Whether the agent of a newcomer has not answered for long.
  [[nodiscard]] bool is_newcomer_silent() const;

  const HandoverContext& context_;
  const Clients clients_;
  GangRecord record_;
  const std::optional<GangPlan> plan_;
  const std::function<void(const GangRecord&)> ended_;
  Failpoint failpoint_;
  GangExecutor executor_;  // after failpoint_, whose rules it follows
  RankLines<Order, RankReport> orders_;
  RankLines<handover::Message, TargetAnswer> words_;  // to the newcomers, by their rank
  std::vector<Contact> ranks_;
  std::map<std::uint32_t, Newcomer> newcomers_;  // by rank; one for each that leaves
  Timeline samples_;
  Signal changed_;
  std::uint64_t watch_ = 0;           // how often it began to watch
  bool is_told_ = false;              // ended_ was called
  std::optional<GangState> alerted_;  // of what an operator was told last, while it lasts
  std::optional<Error> cause_;        // why it is given up
  Clock::time_point given_up_at_{};
};

}  // namespace cardswap::gang
