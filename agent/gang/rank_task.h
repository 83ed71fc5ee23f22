#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/signal.h"
#include "agent/gang/gang_client.h"
#include "agent/gang/invitation.h"
#include "agent/gang/rank_executor.h"
#include "agent/gang/rank_record.h"
#include "agent/gang/rank_report.h"
#include "agent/handover/base/handover_context.h"

namespace cardswap::gang {

/// Works on one rank of a gang, whose process is here: obeys the conductor, tells the trainer, and
/// watches both. RankSide decides what follows from an event; RankExecutor carries it out.
///
/// Shared by Moves and by each of its coroutines. One thread.
class RankTask final : public RankPorts, public std::enable_shared_from_this<RankTask> {
 public:
  /// How long the conductor may be silent before the rank withdraws, if it has not promised.
  static constexpr std::chrono::seconds kSilenceMax{4};
  /// How long it may be silent before an operator is told, once the rank has promised.
  static constexpr std::chrono::seconds kSilenceTold{30};

  /// All references must outlive it.
  RankTask(const HandoverContext& context, GangClient& client, RankRecord record);

  [[nodiscard]] const RankRecord& record() const { return record_; }
  [[nodiscard]] RankState state() const { return executor_.durable().state; }
  /// Whether nothing is left to do for it here.
  [[nodiscard]] bool is_over() const { return gang::is_over(state()); }
  /// Whether the rank is elsewhere, or may be: it has promised, and it is not known that the gang
  /// was given up. Also of a rank whose process has ended since.
  [[nodiscard]] bool may_be_elsewhere() const;

  /// Begins to watch the conductor and the process; returns at once.
  void start();
  /// Goes on from a record that a former agent left; then does start().
  void take_up();
  /// Handles an order. Throws Error{io, corrupt} if the disk refuses a required record.
  RankReport obey(const Order& order, const std::optional<Invitation>& invitation);
  [[nodiscard]] RankReport report() const;
  /// Notified of each change of report().
  [[nodiscard]] Signal& news() { return changed_; }
  void note_contact() { heard_at_ = std::chrono::steady_clock::now(); }

  // From the rank's runtime
  void on_message(const channel::Message& message);
  void on_attached();
  /// Whether the rank has promised, and its conductor has been silent for long.
  [[nodiscard]] bool is_in_doubt() const {
    return state() == RankState::ready &&
           std::chrono::steady_clock::now() - heard_at_ >= kSilenceTold;
  }
  /// The process tree that the rank is of has ended, as its record says, or its runtime is not
  /// connected any more: looks whether the rank's process is there.
  void on_exit();

  // RankPorts
  void save(const RankDurable& next) override;
  void send(const channel::Message& message) override;
  void build() override;
  void raise_epoch(Epoch epoch) override;
  void changed() override;
  void ask() override;

 private:
  asio::awaitable<void> watch(std::shared_ptr<RankTask> self);
  asio::awaitable<void> ask_conductor(std::shared_ptr<RankTask> self);
  void look_after();
  void tell_that_it_is_lost();
  void apply(RankEvent event, std::uint64_t step = 0);
  /// Calls `act`, which may need the disk, and logs what that refuses: there is a next look.
  void log_refusal(const std::function<void()>& act) const;
  /// The step of its trainer as this agent knows it; 0: it is not known.
  [[nodiscard]] std::uint64_t last_step() const;
  [[nodiscard]] Instance* instance() const;
  [[nodiscard]] bool has_process() const;
  void begin_sync(const Instance& source);

  const HandoverContext& context_;
  GangClient& client_;
  RankRecord record_;
  RankExecutor executor_;
  std::optional<Invitation> invitation_;  // not after a restart
  Signal changed_;
  std::uint64_t version_ = 1;
  std::optional<Error> why_;
  std::optional<MigrationStats> stats_;
  RankCost cost_;
  std::chrono::steady_clock::time_point heard_at_ = std::chrono::steady_clock::now();
  bool asks_ = false;
  bool is_told_ = false;  // an operator, of the conductor's silence
};

}  // namespace cardswap::gang
