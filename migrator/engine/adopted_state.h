#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "migrator/device/device.h"
#include "migrator/engine/target.h"
#include "migrator/link/link.h"

namespace cardswap {

/// At the target: the program's memory in the layout that it took from the source last, cut into
/// chunks. Memory that it has dropped stays while a chunk may still land there. The engine's
/// thread.
class AdoptedState {
 public:
  /// Making memory for a large state takes seconds: that is done on a thread of its own, and `link`
  /// is served meanwhile, so that the source does not take this side for dead; no chunk is expected
  /// until this returns. Throws Error{layout_differs} that names what the program cannot follow,
  /// and what the program throws.
  void take(TargetProgram& program, const Layout& wanted, std::uint64_t chunk_bytes, Link& link);
  /// The same layout, where it is now: a replayed step may have dropped state and made it anew
  /// elsewhere, as the source's did.
  void look_again(TargetProgram& program, Link& link);

  [[nodiscard]] const Layout& layout() const { return state_view_.layout; }
  [[nodiscard]] const std::vector<ChunkSpan>& chunks() const { return chunks_; }
  [[nodiscard]] std::vector<MemoryRange> ranges() const { return ranges_of(state_view_, chunks_); }
  [[nodiscard]] std::vector<ChunkId> all_chunks() const;
  [[nodiscard]] bool has(ChunkId chunk) const {
    return static_cast<std::size_t>(chunk) < chunks_.size();
  }
  [[nodiscard]] MemoryRange range(ChunkId chunk) const {
    return range_of(state_view_, chunks_.at(static_cast<std::size_t>(chunk)));
  }

  /// A chunk was given a place, and has landed there.
  void expects() { ++under_way_; }
  void landed();

 private:
  void take_memory(TargetProgram& program, const Layout& wanted, Link& link);

  StateView state_view_;
  std::vector<ChunkSpan> chunks_;
  std::vector<StateView> former_;
  std::size_t under_way_ = 0;
};

}  // namespace cardswap
