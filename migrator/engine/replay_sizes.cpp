#include "migrator/engine/replay_sizes.h"

#include <algorithm>
#include <limits>

namespace cardswap {

ReplaySizes replay_sizes(const std::vector<Shard>& shards, const Layout& layout) {
  ReplaySizes sizes;
  const auto& regions = layout.regions();
  for (const auto& shard : shards) {
    for (const auto region : shard.regions) {
      if (static_cast<std::size_t>(region) >= regions.size()) continue;
      const auto bytes = regions[static_cast<std::size_t>(region)].bytes;
      sizes.replayed_bytes += bytes;
      if (shard.has_gradient && region == shard.regions.front()) sizes.update_bytes += bytes;
    }
  }
  return sizes;
}

ReplaySizes replay_sizes(const StateView& state_view) {
  return state_view.shards ? replay_sizes(*state_view.shards, state_view.layout) : ReplaySizes{};
}

std::uint64_t room_for_gradients(std::span<const std::shared_ptr<Device>> devices) {
  auto room = std::numeric_limits<std::uint64_t>::max();
  for (const auto& device : devices) {
    if (const auto spare = device->spare_bytes()) room = std::min(room, *spare / 2);
  }
  return room;
}

}  // namespace cardswap
