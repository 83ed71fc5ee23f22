#include "agent/cli/drain/drain_item.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>

#include "agent/base/text_parts.h"

namespace cardswap::cli {

std::string DrainItem::moves() const {
  if (ranks.empty()) return job.name;
  std::vector<std::uint32_t> numbers;
  for (const auto& one : ranks) numbers.push_back(one.rank);
  return fmt::format("{}/{}", job.name, fmt::join(numbers, ","));
}

std::vector<PlacementJob> DrainItem::parts() const {
  if (ranks.empty()) return {job};
  std::vector<PlacementJob> all;
  for (const auto& one : ranks) {
    auto part = job;
    part.name = fmt::format("{}/{}", job.name, one.rank);
    part.device = one.device;
    part.kind = one.device.substr(0, one.device.find(':'));
    part.state_bytes = one.state_bytes;
    all.push_back(std::move(part));
  }
  return all;
}

std::vector<std::string> places_of(const DrainRow& row) {
  if (row.to.empty()) return {};
  return split(row.to, ',');
}

ItemPlacement place_items(std::span<DrainItem* const> items,
                          std::span<const PlacementDevice> devices) {
  std::vector<PlacementJob> parts;
  std::vector<std::pair<std::size_t, std::size_t>> whose;  // item, and the part of it
  std::vector<std::vector<std::string>> to(items.size());
  for (std::size_t item = 0; item < items.size(); ++item) {
    for (auto& part : items[item]->parts()) {
      whose.emplace_back(item, to[item].size());
      to[item].emplace_back();
      parts.push_back(std::move(part));
    }
  }
  const auto found = place(parts, devices);
  std::map<std::size_t, std::vector<PlacementReason>> lacking;  // by item
  for (const auto& one : found.unplaced) lacking.emplace(whose[one.job].first, one.reasons);
  ItemPlacement result;
  for (const auto& [item, reasons] : lacking) result.unplaced.push_back({item, reasons});
  std::vector<std::size_t> order;
  std::vector<bool> is_known(items.size());
  for (const auto& one : found.assigned) {
    const auto [item, part] = whose[one.job];
    to[item][part] = devices[one.device].address();
    if (lacking.contains(item) || is_known[item]) continue;
    is_known[item] = true;
    order.push_back(item);
  }
  for (const auto item : order) {
    result.placed.push_back({item, fmt::format("{}", fmt::join(to[item], ","))});
  }
  return result;
}

}  // namespace cardswap::cli
