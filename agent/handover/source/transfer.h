#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/handover/base/peer_answers.h"
#include "agent/handover/base/stepwise.h"
#include "agent/handover/protocol/protocol.h"
#include "agent/handover/source/transfer_record.h"
#include "agent/handover/source/transfer_states.h"
#include "migrator/core/digest.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The contact of the source's agent with the target's agent.
struct TargetContact {
  std::array<bool, handover::kMessageKinds> calls_in_flight{};  ///< kinds of calls not answered yet
  std::uint64_t calls = 0;    ///< calls that have come back, failed ones included
  std::uint64_t version = 0;  ///< of the latest status
  /// The latest one of the state `preparing`: where the target takes data and image. Nullopt: none
  /// yet.
  std::optional<TargetStatus> status;
  std::chrono::steady_clock::time_point last_contact_at = std::chrono::steady_clock::now();
  double round_trip_ms = 1e9;  ///< the shortest measured one; 1e9: none was measured
  int round_trips = 0;         ///< how many were measured
  Stepwise<ReservationProgress> progress;
  bool is_silent = false;           ///< its agent did not answer the latest call after the decision
  bool polls_long = false;          ///< before the decision: a coroutine waits for its next state
  std::string failure;              ///< of the latest call that failed after the commit
  std::string refused_by_the_disk;  ///< the disk's latest error, so that it is logged once
  std::vector<handover::Message> held_back;  ///< messages that a failpoint holds back

  /// Makes a grant that was answered count as unanswered: it is sent again. `whose` is for the log.
  void doubt_grant(std::string_view whose) {
    if (progress == ReservationProgress::grant_answered)
      progress.step(ReservationProgress::accepted, whose);
  }
};

/// One rank of a job on its way from a process here to a process at the target: its record, and
/// what the agent knows of the two ends and forgets when it ends. The migration decides for all
/// ranks at once.
///
/// Everybody reads the record. MigrationList::note() changes it, and so does SourceExecutor,
/// together with the migration's state. Of the rest, on_trainer_message() writes `source_progress`
/// and the runtime's reports; TargetCourier, MigrationTask and MigrationEnd write `target`;
/// CriuDeparture writes `lost`, which Migrations takes.
class Transfer {
 public:
  explicit Transfer(TransferRecord record) : record_(std::move(record)) {}
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Stepwise<SourceProgress> source_progress;
  // Reports of the source's runtime. Nullopt: they have not come yet.
  std::optional<std::uint64_t> frozen_step;  ///< the step at whose end it is frozen
  bool trains_on = false;  ///< it stood there only until its state was copied, for a snapshot
  std::optional<Digest> verified;  ///< the digest that both ends hold
  std::optional<channel::Departed> departed;
  std::optional<std::chrono::steady_clock::time_point> frozen_at;  ///< when that report came
  TargetContact target;
  std::string lost;  ///< why the process here cannot go on any more; empty: it can

  [[nodiscard]] const TransferRecord& record() const { return record_; }
  [[nodiscard]] const std::string& instance() const { return record_.instance; }
  [[nodiscard]] bool has_passed_rehearsal() const { return record_.has_passed_rehearsal(); }

 private:
  friend class Migration;
  friend class MigrationList;

  TransferRecord record_;
};

}  // namespace cardswap
