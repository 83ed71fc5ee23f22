#pragma once

#include <chrono>
#include <vector>

#include "migrator/engine/source/replay_sync.h"
#include "migrator/engine/source/source_context.h"

namespace cardswap {

/// Brings the target to the state of a frozen program, and measures what of the downtime each part
/// of that takes. Once a freeze; the engine's thread.
class FrozenSend {
 public:
  /// Both outlive this. `replay`: the log whose rest is sent first; null: there is none.
  FrozenSend(SourceContext& source, ReplaySync* replay) : source_(source), replay_(replay) {}

  /// The digests of the frozen state, while the target takes its own; behind the log's rest.
  [[nodiscard]] std::vector<Digest> scan();
  /// Notes a scan that somebody else has made, and how long that took.
  void note_scan(double scan_ms) { took_.scan_ms = scan_ms; }
  /// Sends what is left, until the target holds the frozen state, of which `now` are the digests.
  /// Throws Error{digest_mismatch} where it comes to hold another.
  void bring_over(const std::vector<Digest>& now);
  /// Has the target confirm that it holds the frozen state: the digest of all of it, on which both
  /// agree from here on. Throws Error{digest_mismatch}. After bring_over().
  [[nodiscard]] Digest confirm(const std::vector<Digest>& now);

 private:
  using Clock = std::chrono::steady_clock;

  void send_values();
  void send_rest(const std::vector<Digest>& now);
  [[nodiscard]] bool is_replaying() const {
    return replay_ != nullptr && replay_->updates_sent() > 0;
  }

  SourceContext& source_;
  ReplaySync* const replay_;
  Digest values_{};  // of the frozen state's
  Clock::time_point sent_{};
  FreezeTimes took_;
};

/// How many threads digest while the program stands: all that the host has.
[[nodiscard]] unsigned frozen_scan_threads();

}  // namespace cardswap
