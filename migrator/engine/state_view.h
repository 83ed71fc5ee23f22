#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// A layout together with where its bytes are in this process. Holding the view keeps the memory
/// alive (`keep_alive` holds each storage), even when the program replaces the tensor.
/// Owners of `keep_alive`: the program's tensors and every view in use.
struct StateView {
  Layout layout;
  std::vector<std::span<std::byte>> memory;      ///< one a region, same order
  std::vector<std::shared_ptr<Device>> devices;  ///< the same; each region has one
  Fence fence;                                   ///< behind what the program did to it
  std::vector<std::shared_ptr<const void>> keep_alive;
  std::uint64_t step = 0;  ///< a source's: boundaries passed by then
  /// A source's shards: what each parameter's update rewrites, by the layout's regions; none: its
  /// updates cannot be captured. Owners: the program and every view in use.
  std::shared_ptr<const std::vector<Shard>> shards;
};

/// Where a region, and a chunk of it, lies.
[[nodiscard]] MemoryRange range_of(const StateView& state_view, RegionId region);
[[nodiscard]] MemoryRange range_of(const StateView& state_view, const ChunkSpan& chunk);
[[nodiscard]] std::vector<MemoryRange> ranges_of(const StateView& state_view,
                                                 std::span<const ChunkSpan> chunks);

}  // namespace cardswap
