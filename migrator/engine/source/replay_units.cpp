#include "migrator/engine/source/replay_units.h"

#include <algorithm>
#include <map>
#include <utility>

namespace cardswap {

std::optional<std::vector<std::size_t>> ReplayUnits::follow(
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
  const auto is_still = [&](const Unit& unit, const Shard& shard) {
    return std::ranges::equal(unit.shard.regions, shard.regions, [&](auto former, auto now) {
      const auto found = now_at.find(former);
      return found != now_at.end() && found->second == now;
    });
  };
  const auto former = std::exchange(unit_of_parameter_, {});
  unit_of_region_.assign(regions.size(), std::nullopt);
  std::vector<std::size_t> begun;
  std::vector<bool> stays(units_.size(), false);
  for (auto shard : shards) {
    std::erase_if(shard.regions, [&](RegionId region) { return find(region).has_value(); });
    const auto parameter = static_cast<std::size_t>(shard.parameter);
    const auto known = parameter < former.size() ? former[parameter] : std::nullopt;
    const auto index = known && is_still(units_[*known], shard) ? *known : units_.size();
    if (index == units_.size()) {
      units_.emplace_back();
      begun.push_back(index);
    } else {
      stays[index] = true;
    }
    auto& unit = units_[index];
    unit.bytes = 0;
    for (const auto region : shard.regions) {
      unit_of_region_[static_cast<std::size_t>(region)] = index;
      unit.bytes += regions[static_cast<std::size_t>(region)].bytes;
    }
    if (unit_of_parameter_.size() <= parameter) unit_of_parameter_.resize(parameter + 1);
    unit_of_parameter_[parameter] = index;
    unit.shard = std::move(shard);
  }
  for (std::size_t i = 0; i < stays.size(); ++i) {
    if (stays[i]) continue;
    units_[i] = {};
    units_[i].gone = true;
  }
  return begun;
}

std::optional<std::size_t> ReplayUnits::find(ParameterId parameter) const {
  const auto index = static_cast<std::size_t>(parameter);
  return index < unit_of_parameter_.size() ? unit_of_parameter_[index] : std::nullopt;
}

std::uint64_t ReplayUnits::bytes_to_copy(std::size_t first) const {
  std::uint64_t sum = 0;
  for (auto i = first; i < units_.size(); ++i) {
    if (!units_[i].copied_at && !units_[i].by_digests) sum += units_[i].bytes;
  }
  return sum;
}

bool ReplayUnits::all_go_by_digests() const {
  return std::ranges::all_of(units_, [](const Unit& unit) { return unit.gone || unit.by_digests; });
}

}  // namespace cardswap
