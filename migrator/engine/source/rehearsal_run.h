#pragma once

#include <vector>

#include "migrator/engine/source/source_context.h"

namespace cardswap {

/// Whether a step of this migration is rehearsed, as far as it was asked for and the program can.
/// Notes why none is where it was asked for; throws Error{refused} where nothing else was. The
/// engine's thread, before the context connects.
[[nodiscard]] bool decide_on_rehearsal(SourceContext& source);

/// The rehearsal of one step. Both sides hold the state of one step, and neither may commit it;
/// both take the next step, and their results are compared. The job's agent has not heard of a
/// freeze yet. The engine's thread; one call after the other, each throws as PeerConnection does.
class RehearsalRun {
 public:
  /// `source` outlives this.
  explicit RehearsalRun(SourceContext& source) : source_(source) {}

  /// Has both sides take a step from the state that the target was brought to; returns when this
  /// one is frozen again behind it.
  void begin();
  /// Waits until the standby stands behind that step too. Throws Error{timed_out}.
  void await_their_step();
  /// What both sides hold behind the step agrees, or differs by rounding alone: the digests of
  /// this one's. Throws Error{digest_mismatch} where it does not, and Error{cancelled} where only a
  /// rehearsal was asked for.
  [[nodiscard]] std::vector<Digest> conclude();
  /// How long conclude() took to know what both hold: the frozen state's scan, made already.
  [[nodiscard]] double compare_ms() const { return compare_ms_; }

 private:
  SourceContext& source_;
  double compare_ms_ = 0;
};

}  // namespace cardswap
