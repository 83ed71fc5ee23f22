#include "migrator/engine/source/replay/replay_shards.h"

#include <algorithm>
#include <map>
#include <utility>

namespace cardswap {

std::optional<std::vector<std::size_t>> ReplayShards::follow(
    const Layout& layout, const std::vector<Shard>& shards,
    std::span<const std::optional<RegionId>> kept) {
  const auto& regions = layout.regions();
  for (const auto& shard : shards) {
    for (const auto region : shard.regions) {
      if (static_cast<std::size_t>(region) >= regions.size()) return std::nullopt;
    }
  }
  std::map<RegionId, RegionId> now_at;  // by the former layout's
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]) now_at[*kept[i]] = static_cast<RegionId>(i);
  }
  const auto is_still = [&](const Entry& shard_entry, const Shard& shard) {
    return std::ranges::equal(shard_entry.shard.regions, shard.regions, [&](auto former, auto now) {
      const auto found = now_at.find(former);
      return found != now_at.end() && found->second == now;
    });
  };
  const auto former = std::exchange(shard_of_parameter_, {});
  shard_of_region_.assign(regions.size(), std::nullopt);
  std::vector<std::size_t> begun;
  std::vector<bool> stays(shards_.size(), false);
  for (auto shard : shards) {
    std::erase_if(shard.regions, [&](RegionId region) { return find(region).has_value(); });
    const auto parameter = static_cast<std::size_t>(shard.parameter);
    const auto known = parameter < former.size() ? former[parameter] : std::nullopt;
    const auto index = known && is_still(shards_[*known], shard) ? *known : shards_.size();
    if (index == shards_.size()) {
      shards_.emplace_back();
      begun.push_back(index);
    } else {
      stays[index] = true;
    }
    auto& shard_entry = shards_[index];
    shard_entry.bytes = 0;
    for (const auto region : shard.regions) {
      shard_of_region_[static_cast<std::size_t>(region)] = index;
      shard_entry.bytes += regions[static_cast<std::size_t>(region)].bytes;
    }
    if (shard_of_parameter_.size() <= parameter) shard_of_parameter_.resize(parameter + 1);
    shard_of_parameter_[parameter] = index;
    shard_entry.shard = std::move(shard);
  }
  for (std::size_t i = 0; i < stays.size(); ++i) {
    if (stays[i]) continue;
    shards_[i] = {};
    shards_[i].gone = true;
  }
  return begun;
}

std::optional<std::size_t> ReplayShards::find(ParameterId parameter) const {
  const auto index = static_cast<std::size_t>(parameter);
  return index < shard_of_parameter_.size() ? shard_of_parameter_[index] : std::nullopt;
}

std::uint64_t ReplayShards::bytes_to_copy(std::size_t first) const {
  std::uint64_t sum = 0;
  for (auto i = first; i < shards_.size(); ++i) {
    if (!shards_[i].copied_at && !shards_[i].by_digests) sum += shards_[i].bytes;
  }
  return sum;
}

bool ReplayShards::all_go_by_digests() const {
  return std::ranges::all_of(
      shards_, [](const Entry& shard_entry) { return shard_entry.gone || shard_entry.by_digests; });
}

}  // namespace cardswap
