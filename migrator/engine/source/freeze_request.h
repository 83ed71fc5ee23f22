#pragma once

#include <optional>
#include <utility>

#include "migrator/base/mutex.h"
#include "migrator/engine/program.h"

namespace cardswap {

/// The frozen state on its way from the thread that stopped the program to the engine's thread.
class FreezeRequest {
 public:
  /// Hands the frozen state over. Any thread; whoever calls it wakes the engine.
  void put(FrozenState state) {
    const MutexLock lock(mutex_);
    request_ = std::move(state);
  }

  // ---- the engine's thread
  /// Whether the program is frozen. From then on state() stays as it is until drop().
  [[nodiscard]] bool is_here() {
    if (taken_) return true;
    const MutexLock lock(mutex_);
    taken_ = std::exchange(request_, std::nullopt);
    return taken_.has_value();
  }
  [[nodiscard]] const FrozenState& state() const { return taken_.value(); }
  /// Drops the state: the program was told to go on, and another freeze may come.
  void drop() { taken_.reset(); }

 private:
  Mutex mutex_;
  std::optional<FrozenState> request_ CARDSWAP_GUARDED_BY(mutex_);
  std::optional<FrozenState> taken_;  // the engine's thread alone
};

}  // namespace cardswap
