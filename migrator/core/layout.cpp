#include "migrator/core/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_writer.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kChunkBytesMin = 4ULL << 10;
constexpr std::uint64_t kChunkBytesMax = 64ULL << 20;

std::string described(const Region& region) {
  const auto place = region.address == 0 ? "" : fmt::format(" at {:#x}", region.address);
  return fmt::format("{} {} ({} bytes){}", region.dtype, region.shape, region.bytes, place);
}

}  // namespace

Layout::Layout(std::vector<Region> regions) {
  auto content = std::make_shared<Content>();
  content->regions = std::move(regions);
  for (const auto& region : content->regions) content->total_bytes += region.bytes;
  content_ = std::move(content);
}

Digest Layout::digest() const {
  wire::WireWriter writer;
  for (const auto& region : regions()) {
    writer.string(region.name).string(region.dtype).string(region.shape).u64(region.bytes);
  }
  const auto is_placed = [](const Region& region) { return region.address != 0; };
  if (std::any_of(regions().begin(), regions().end(), is_placed)) {
    for (const auto& region : regions()) writer.u64(region.address);
  }
  return digest_of(writer.bytes());
}

std::vector<std::optional<RegionId>> kept_regions(const Layout& from, const Layout& to) {
  std::map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < from.regions().size(); ++i) by_name[from.regions()[i].name] = i;
  std::vector<std::optional<RegionId>> kept;
  for (const auto& region : to.regions()) {
    const auto found = by_name.find(region.name);
    const bool same = found != by_name.end() && from.regions()[found->second] == region;
    kept.push_back(same ? std::optional(static_cast<RegionId>(found->second)) : std::nullopt);
  }
  return kept;
}

std::vector<ChunkSpan> cut_into_chunks(const Layout& layout, std::uint64_t chunk_bytes) {
  if (!std::has_single_bit(chunk_bytes) || chunk_bytes < kChunkBytesMin ||
      chunk_bytes > kChunkBytesMax) {
    throw Error(Code::bad_request, fmt::format("{} bytes is no chunk size", chunk_bytes),
                "use a power of two from 4 KiB to 64 MiB");
  }
  std::vector<ChunkSpan> chunks;
  chunks.reserve(layout.total_bytes() / chunk_bytes + layout.regions().size());
  for (std::size_t i = 0; i < layout.regions().size(); ++i) {
    const auto bytes = layout.regions()[i].bytes;
    for (std::uint64_t offset = 0; offset < bytes; offset += chunk_bytes) {
      chunks.push_back({static_cast<RegionId>(i), offset,
                        static_cast<std::uint32_t>(std::min(chunk_bytes, bytes - offset))});
    }
  }
  return chunks;
}

std::vector<std::string> differences(const Layout& source, const Layout& target, std::size_t most) {
  std::vector<std::string> lines;
  std::map<std::string_view, const Region*> unseen;
  for (const auto& region : target.regions()) unseen.emplace(region.name, &region);
  for (const auto& region : source.regions()) {
    const auto found = unseen.find(region.name);
    if (found == unseen.end()) {
      lines.push_back(fmt::format("{}: {} on the source, missing on the target", region.name,
                                  described(region)));
      continue;
    }
    if (!(*found->second == region)) {
      lines.push_back(fmt::format("{}: {} on the source, {} on the target", region.name,
                                  described(region), described(*found->second)));
    }
    unseen.erase(found);
  }
  for (const auto& [name, region] : unseen) {
    lines.push_back(
        fmt::format("{}: missing on the source, {} on the target", name, described(*region)));
  }
  if (lines.empty() && !(source == target)) lines.emplace_back("the same tensors in another order");
  if (lines.size() > most) {
    const auto rest = lines.size() - most;
    lines.resize(most);
    lines.push_back(fmt::format("and {} more", rest));
  }
  return lines;
}

}  // namespace cardswap
