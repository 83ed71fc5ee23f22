#include "migrator/engine/state_view.h"

namespace cardswap {

MemoryRange range_of(const StateView& state_view, RegionId region) {
  const auto index = static_cast<std::size_t>(region);
  return {state_view.devices.at(index).get(), state_view.memory.at(index)};
}

MemoryRange range_of(const StateView& state_view, const ChunkSpan& chunk) {
  auto range = range_of(state_view, chunk.region);
  range.bytes = range.bytes.subspan(chunk.offset, chunk.bytes);
  return range;
}

std::vector<MemoryRange> ranges_of(const StateView& state_view, std::span<const ChunkSpan> chunks) {
  std::vector<MemoryRange> result;
  result.reserve(chunks.size());
  for (const auto& chunk : chunks) result.push_back(range_of(state_view, chunk));
  return result;
}

}  // namespace cardswap
