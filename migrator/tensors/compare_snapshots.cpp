#include "migrator/tensors/compare_snapshots.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "migrator/store/node.h"

namespace cardswap::tensors {
namespace {

using store::SnapshotReader;

/// Where the regions of a layout are, by name.
std::map<std::string_view, std::size_t> places_of(const Layout& layout) {
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < layout.regions().size(); ++i) {
    places.emplace(layout.regions()[i].name, i);
  }
  return places;
}

bool are_alike(const Region& a, const Region& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes == b.bytes;
}

/// Counts the chunks of a region of `after`; `former` is the same region of `before`.
ChangedChunks changed_chunks(const SnapshotReader& before, std::optional<std::size_t> former,
                             const SnapshotReader& after, std::size_t place) {
  const auto chunk_bytes = after.manifest().chunk_bytes;
  const auto& region = after.manifest().layout.regions()[place];
  ChangedChunks counted{region.name, store::chunk_count(region.bytes, chunk_bytes), 0, region.bytes,
                        0};
  std::uint64_t comparable = 0;
  if (former && before.manifest().chunk_bytes == chunk_bytes) {
    comparable = store::chunk_count(before.manifest().layout.regions()[*former].bytes, chunk_bytes);
  }
  for (std::uint64_t i = 0; i < counted.chunks; ++i) {
    const bool is_same = i < comparable && before.chunk_id(static_cast<RegionId>(*former), i) ==
                                               after.chunk_id(static_cast<RegionId>(place), i);
    if (is_same) continue;
    ++counted.chunks_changed;
    counted.bytes_changed += std::min<std::uint64_t>(chunk_bytes, region.bytes - i * chunk_bytes);
  }
  return counted;
}

}  // namespace

SnapshotComparison compare_snapshots(const SnapshotReader& before, const SnapshotReader& after) {
  SnapshotComparison all;
  all.are_chunks_comparable = before.manifest().chunk_bytes == after.manifest().chunk_bytes;
  const auto& old_regions = before.manifest().layout.regions();
  const auto& new_regions = after.manifest().layout.regions();
  const auto old_places = places_of(before.manifest().layout);
  const auto new_places = places_of(after.manifest().layout);
  for (std::size_t i = 0; i < new_regions.size(); ++i) {
    std::optional<std::size_t> former;
    if (const auto found = old_places.find(new_regions[i].name); found != old_places.end()) {
      former = found->second;
    }
    if (!former) {
      all.regions.push_back({std::nullopt, new_regions[i]});
    } else if (are_alike(old_regions[*former], new_regions[i])) {
      ++all.regions_alike;
    } else {
      all.regions.push_back({old_regions[*former], new_regions[i]});
    }
    auto counted = changed_chunks(before, former, after, i);
    all.total.chunks += counted.chunks;
    all.total.chunks_changed += counted.chunks_changed;
    all.total.bytes += counted.bytes;
    all.total.bytes_changed += counted.bytes_changed;
    if (counted.chunks_changed > 0) all.chunks.push_back(std::move(counted));
  }
  for (const auto& region : old_regions) {
    if (!new_places.contains(region.name)) all.regions.push_back({region, std::nullopt});
  }
  return all;
}

}  // namespace cardswap::tensors
