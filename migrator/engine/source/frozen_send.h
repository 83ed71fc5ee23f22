#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "migrator/engine/source/context/source_context.h"
#include "migrator/engine/source/replay/replay_sync.h"
#include "migrator/engine/source/sending/sync_figures.h"

namespace cardswap {

/// Brings the target to the state of the frozen program, and measures how much of the downtime each
/// part of this takes. One object for each freeze. The engine's thread. All calls except
/// note_scan() throw as ConnectionToTarget's do, and what a device throws.
class FrozenSend {
 public:
  /// Both outlive this. `replay` sends the rest of its log first. Null: there is no replay.
  FrozenSend(SourceContext& source, ReplaySync* replay) : source_(source), replay_(replay) {}
  /// Begins for a program that went on when its state was copied: CopiedFreeze has done what scan()
  /// does, and its figures stay.
  explicit FrozenSend(SourceContext& source) : FrozenSend(source, nullptr) {
    source_.connection.send(data::FreezeBegin{});
  }

  /// Sends the rest of the log, then digests the frozen state while the target digests its own,
  /// once it has replayed everything. Returns one digest for each chunk.
  [[nodiscard]] std::vector<Digest> scan();
  /// Notes the time of a scan that was made elsewhere, in place of scan().
  void note_scan(double scan_ms) { took_.scan_ms = scan_ms; }
  /// Sends what differs, until the target holds the frozen state. `now` has its digests, from
  /// scan() or elsewhere. Throws Error{digest_mismatch} if the target then holds another state.
  void bring_over(const std::vector<Digest>& now);
  /// Has the target confirm that it holds the frozen state, and returns the state digest on which
  /// both sides agree. Throws Error{digest_mismatch}. To be called after bring_over().
  [[nodiscard]] Digest confirm(const std::vector<Digest>& now);

 private:
  using Clock = std::chrono::steady_clock;

  void note_freeze();
  void send_values();
  void send_rest(const std::vector<Digest>& now);
  [[nodiscard]] bool is_replaying() const {
    return replay_ != nullptr && replay_->updates_sent() > 0;
  }

  SourceContext& source_;
  ReplaySync* const replay_;
  std::optional<Digest> values_;  // of the frozen state's, once they were sent
  Clock::time_point sent_at_{};
  FreezeTimes took_;
};

/// How often chunks that still differ at the target are sent again.
inline constexpr int kResendsMax = 3;
/// How many threads digest while the program is parked: as many as the host has cores.
[[nodiscard]] unsigned frozen_scan_threads();

}  // namespace cardswap
