#pragma once

#include "migrator/engine/state_view.h"

namespace cardswap {

/// A state in this process's memory, of a program that is elsewhere. One thread at a time.
class KeptMemory {
 public:
  /// Has memory for all of `wanted`; regions that were there already keep their bytes.
  StateView adopt(const Layout& wanted);
  /// The state as of the last adopt().
  [[nodiscard]] const StateView& view() const { return view_; }

 private:
  StateView view_;
};

}  // namespace cardswap
