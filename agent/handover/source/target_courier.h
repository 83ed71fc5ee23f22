#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// The reservation of `transfer` at the target's agent.
[[nodiscard]] TargetClient::ReservationRef reservation_ref(const Migration& m,
                                                           const Transfer& transfer);

/// Talks with the target's agent about one transfer: each message is a call, each answer an event
/// of the migration.
///
/// It notes the answers in the transfer's TargetContact. Before the commit, an impossible answer or
/// a lost agent fails the migration; after it they decide nothing. Owned by TargetCouriers; one
/// thread.
class TargetCourier {
 public:
  /// All references must outlive it.
  TargetCourier(const MigrationContext& scope, TargetClient& targets, Transfer& transfer);

  /// Sends a message as a call; returns at once. While a call of the same kind is under way, the
  /// message is dropped: that call stands for it. At a failpoint `reserve` and `grant` are held
  /// back.
  void send(const handover::Message& message);
  /// Sends the messages that a failpoint held back.
  void send_held_back();
  /// Tells the trainer where the target receives its state. `handover_ms`:
  /// TargetCouriers::handover_ms(). Only after the standby has parked. Fails the migration if the
  /// trainer is not attached.
  void begin_sync(double handover_ms);

 private:
  asio::awaitable<void> call(handover::Message message);
  asio::awaitable<TargetAnswer> request(handover::Message message);
  asio::awaitable<ReservationRequest> wanted_reservation();
  void on_answer(const handover::Message& asked, const std::optional<Error>& failed,
                 const TargetAnswer& answer, bool polled_long);
  void on_status_before_the_commit(const TargetStatus& status);
  void on_call_failed(const Error& failed, bool polled_long);
  void on_answer_after_the_commit(const handover::Message& asked,
                                  const std::optional<Error>& failed,
                                  const std::optional<TargetStatus>& status);
  void on_answer_after_the_end(const handover::Message& asked, const std::optional<Error>& failed,
                               const TargetAnswer& answer);
  void on_copy(const handover::Message& status);
  void note_warning(std::string warning);
  [[nodiscard]] TargetClient::ReservationRef reservation() const {
    return reservation_ref(migration_, transfer_);
  }

  const MigrationContext& scope_;
  Migration& migration_;
  TargetClient& targets_;
  Transfer& transfer_;
};

}  // namespace cardswap
