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

/// What the source's agent hears of the target's, and waits for.
struct TargetContact {
  std::array<bool, handover::kMessageKinds> under_way{};  ///< what is not answered yet
  std::uint64_t calls = 0;             ///< calls that came back, whatever came of them
  std::uint64_t version = 0;           ///< of the last status
  std::optional<TargetStatus> status;  ///< the last
  std::chrono::steady_clock::time_point last_contact_at = std::chrono::steady_clock::now();
  double round_trip_ms = 1e9;  ///< the shortest of those that were measured
  int round_trips = 0;
  Stepwise<PlaceAtTarget> place;
  Stepwise<TargetLine> line;
  Stepwise<PollMode> poll_mode;
  std::string failure;                       ///< of the last call that failed
  std::string refused_by_the_disk;           ///< what was heard; logged once
  std::vector<handover::Message> held_back;  ///< by a failpoint

  /// Nobody knows that the target still has what it was granted. `whose` is for the log.
  void doubt_grant(std::string_view whose) {
    if (place == PlaceAtTarget::granted) place.step(PlaceAtTarget::accepted, whose);
  }
};

/// One rank of a job on its way from a process here to one at the target. It has the record, and
/// what one run of the agent hears of the two ends and forgets at its end. The migration decides,
/// for all ranks at once.
///
/// Everybody reads the record. MigrationList::note() changes it, and so does SourceExecutor,
/// together with the migration's state.
class Transfer {
 public:
  explicit Transfer(TransferRecord record) : record_(std::move(record)) {}
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  Stepwise<CopyOnSource> on_source;
  // What its runtime said when it got there.
  std::optional<std::uint64_t> frozen_at;  ///< the step
  std::optional<Digest> verified;          ///< by the source's engine: what both ends hold
  std::optional<channel::Departed> departed;
  std::optional<std::chrono::steady_clock::time_point> frozen_time;
  TargetContact target;
  std::string lost;  ///< why the process here can go on no more; or empty

  [[nodiscard]] const TransferRecord& record() const { return record_; }
  [[nodiscard]] const std::string& instance() const { return record_.instance; }
  [[nodiscard]] bool has_passed_rehearsal() const { return record_.has_passed_rehearsal(); }

 private:
  friend class Migration;
  friend class MigrationList;

  TransferRecord record_;
};

}  // namespace cardswap
