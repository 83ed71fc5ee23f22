#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/source/target_link.h"

namespace cardswap {

/// Speaks for a migration's side with the targets of all of its transfers.
///
/// One link a transfer, which addresses stay what they are. Owned by MigrationTask; one thread.
class TargetLinks final : public handover::Peer {
 public:
  /// All of them outlive it.
  TargetLinks(const MigrationScope& scope, TargetClient& targets);

  void send(const handover::Message& message) override;
  /// Tells the trainers to begin, where no failpoint stands before it.
  void begin_sync();
  /// What a failpoint kept back.
  void send_kept_back();

  /// Returns once each was asked often enough to know how long an answer takes. Throws what ends
  /// the migration.
  asio::awaitable<void> measure_round_trips();
  /// What the handover itself takes beside the state: writes and calls, one after the other.
  [[nodiscard]] double handover_ms() const;

 private:
  const Journal& journal_;  // how fast it writes
  Signal& changed_;         // of the migration
  RunningMigration& run_;
  Migration& migration_;
  std::list<TargetLink> links_;
  bool begin_sync_is_due_ = false;  ///< held back by a failpoint
};

}  // namespace cardswap
