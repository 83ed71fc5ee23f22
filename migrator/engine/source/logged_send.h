#pragma once

#include <cstdint>
#include <vector>

#include "migrator/engine/logged_updates.h"
#include "migrator/engine/source/context/source_context.h"

namespace cardswap {

/// Brings the target to a state that this side does not hold: sends the one before it, and the
/// updates that lead from there, which the target replays. What proves that it has got there is the
/// state digest that the job had, against that of all that the target then holds. The engine's
/// thread; calls throw as ConnectionToTarget's waits do, and as LoggedUpdates::next().
class LoggedSend {
 public:
  /// Both outlive this.
  LoggedSend(SourceContext& source, LoggedUpdates& updates) : source_(source), updates_(updates) {}

  /// Sends the state before, and then the updates, each once the target has replayed most of those
  /// before it. Returns when all are replayed. Throws Error{digest_mismatch} if the target does not
  /// hold the state before.
  void bring_over();
  /// Sends the frozen program's values, and has the target confirm that it holds the state to which
  /// the updates lead. Returns its digest. Throws Error{digest_mismatch} if that is another one.
  [[nodiscard]] Digest confirm();

 private:
  void send_base();
  void send(UpdateEntry entry);
  void send_values();

  SourceContext& source_;
  LoggedUpdates& updates_;
  std::uint64_t sent_ = 0;
};

}  // namespace cardswap
