#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/source/target_courier.h"

namespace cardswap {

/// Sends the messages of a migration's side to the targets of all of its transfers.
///
/// It has one TargetCourier for each transfer, at a stable address. Owned by MigrationTask; one
/// thread.
class TargetCouriers final : public handover::OtherSide {
 public:
  /// All references must outlive it.
  TargetCouriers(const MigrationContext& scope, TargetClient& targets);

  void send(const handover::Message& message) override;
  /// Tells the trainers to begin; at a failpoint, once send_held_back() is called.
  void begin_sync();
  /// Sends the messages that a failpoint held back.
  void send_held_back();

  /// Asks each target until its round trip was measured three times. Throws what
  /// MigrationControl::check() throws.
  asio::awaitable<void> measure_round_trips();
  /// How long the handover takes without the state, in ms: its journal writes and calls, one after
  /// the other. Valid after measure_round_trips().
  [[nodiscard]] double handover_ms() const;

 private:
  const Journal& journal_;  // how fast it writes
  Signal& changed_;         // of the migration
  MigrationControl& run_;
  Migration& migration_;
  std::list<TargetCourier> links_;
  bool begin_sync_is_due_ = false;  ///< held back by a failpoint
};

}  // namespace cardswap
