#pragma once

#include <vector>

#include "migrator/engine/source/context/source_context.h"

namespace cardswap {

/// Whether this migration rehearses a step: if that was requested, SourceCallbacks::rehearse is set
/// and the program can. If it was requested and the program cannot, notes the reason for people;
/// throws Error{refused} if only a rehearsal was requested. The engine's thread, before
/// SourceContext::connect().
[[nodiscard]] bool decide_on_rehearsal(SourceContext& source);

/// The rehearsal of one step. Both sides hold the same state, and nothing is committed; both take
/// the next step, and the results are compared. The job's agent does not know of the freeze yet.
/// The engine's thread. Call begin(), await_their_step() and conclude() in this order; each throws
/// as ConnectionToTarget's waits do.
class RehearsalRun {
 public:
  /// `source` outlives this.
  explicit RehearsalRun(SourceContext& source) : source_(source) {}

  /// Has both sides take a step. Returns when the program here is frozen again after it.
  void begin();
  /// Waits until the standby has taken the step as well. Throws Error{timed_out}.
  void await_their_step();
  /// Compares both sides after the step. Returns this side's digests if they agree, or differ only
  /// by rounding. Throws Error{digest_mismatch} if they differ otherwise, and Error{cancelled} if
  /// only a rehearsal was requested.
  [[nodiscard]] std::vector<Digest> conclude();
  /// How long the digests in conclude() took, in ms. They replace the scan of the frozen state.
  [[nodiscard]] double compare_ms() const { return compare_ms_; }

 private:
  SourceContext& source_;
  double compare_ms_ = 0;
};

}  // namespace cardswap
