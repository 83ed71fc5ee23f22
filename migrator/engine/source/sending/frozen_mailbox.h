#pragma once

#include <optional>
#include <utility>

#include "migrator/base/mutex.h"
#include "migrator/engine/program.h"

namespace cardswap {

/// Passes the frozen state from the thread that parked the program to the engine's thread.
class FrozenMailbox {
 public:
  /// Hands the frozen state over. Any thread; the caller must wake the engine afterwards.
  void put(FrozenState state) {
    const MutexLock lock(mutex_);
    handed_over_ = std::move(state);
  }

  // ---- the engine's thread
  /// Whether the program is frozen: takes its state if it was handed over. Once true, state() stays
  /// the same until drop().
  [[nodiscard]] bool has_arrived() {
    if (taken_) return true;
    const MutexLock lock(mutex_);
    taken_ = std::exchange(handed_over_, std::nullopt);
    return taken_.has_value();
  }
  /// The frozen state. Throws std::bad_optional_access unless has_arrived() was true.
  [[nodiscard]] const FrozenState& state() const { return taken_.value(); }
  /// Whether the program stands in this freeze: it has arrived, and let_go() was not called.
  [[nodiscard]] bool stands() { return has_arrived() && !gone_on_; }
  /// Lets go of the program's memory, because the program goes on in this freeze; state() keeps the
  /// rest. The state view may free memory that the program has dropped.
  void let_go() {
    gone_on_ = true;
    taken_.value().state_view = {};
  }
  /// Drops the state: the program goes on, and another freeze may come.
  void drop() { taken_.reset(); }

 private:
  Mutex mutex_;
  std::optional<FrozenState> handed_over_ CARDSWAP_GUARDED_BY(mutex_);
  // The engine's thread alone:
  std::optional<FrozenState> taken_;
  bool gone_on_ = false;
};

}  // namespace cardswap
