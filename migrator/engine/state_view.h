#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// A layout together with the memory of its regions in this process. The view keeps the memory
/// alive
/// (`keep_alive` holds each storage), even when the program replaces the tensor. Owners of what
/// `keep_alive` holds: the program's tensors and every view in use.
struct StateView {
  Layout layout;
  std::vector<std::span<std::byte>> memory;      ///< one for each region, in the same order
  std::vector<std::shared_ptr<Device>> devices;  ///< one for each region, in the same order
  Fence fence;                                   ///< after the program's work on the memory
  std::vector<std::shared_ptr<const void>> keep_alive;
  std::uint64_t step = 0;  ///< at a source: boundaries passed by then
  /// The regions that each parameter's update rewrites, at a source. Null: the updates
  /// cannot be captured. Owners: the program and every view in use.
  std::shared_ptr<const std::vector<Shard>> shards;
};

/// The memory of a region, of a chunk, and of several chunks. Throw std::out_of_range for an
/// unknown region. They point into the view's memory.
[[nodiscard]] MemoryRange range_of(const StateView& state_view, RegionId region);
[[nodiscard]] MemoryRange range_of(const StateView& state_view, const ChunkSpan& chunk);
[[nodiscard]] std::vector<MemoryRange> ranges_of(const StateView& state_view,
                                                 std::span<const ChunkSpan> chunks);

}  // namespace cardswap
