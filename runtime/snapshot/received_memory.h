#pragma once

#include "migrator/engine/state_view.h"

namespace cardswap {

/// The state of a program of another process, in this process's memory. One thread at a time.
class ReceivedMemory {
 public:
  /// Makes memory for all regions of `wanted` and returns it; a region that the layout before had
  /// too keeps its bytes (kept_regions()). The new regions of one call lie in one block, of huge
  /// pages where the kernel has them, which lives as long as one of them does: to touch a small
  /// page for the first time takes half as long as to hash it. Throws Error{bad_request} for a
  /// region with an address, and Error{no_memory}.
  StateView adopt(const Layout& wanted);
  /// The state as of the last adopt().
  [[nodiscard]] const StateView& view() const { return view_; }

 private:
  StateView view_;
};

}  // namespace cardswap
