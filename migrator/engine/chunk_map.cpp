#include "migrator/engine/chunk_map.h"

#include <algorithm>
#include <cassert>

#include "migrator/base/error.h"

namespace cardswap {

ChunkMap::ChunkMap(const Layout& layout, std::uint64_t chunk_bytes)
    : layout_(layout),
      chunk_bytes_(chunk_bytes),
      spans_(cut_into_chunks(layout, chunk_bytes)),
      digests_(spans_.size()) {
  assert(std::ranges::is_sorted(spans_, {}, &ChunkSpan::region));  // chunks_of() searches them
}

std::vector<ChunkId> ChunkMap::all() const {
  std::vector<ChunkId> result(spans_.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = static_cast<ChunkId>(i);
  return result;
}

std::vector<ChunkId> ChunkMap::chunks_of(RegionId region) const {
  const auto first = std::ranges::lower_bound(spans_, region, {}, &ChunkSpan::region);
  const auto last = std::ranges::upper_bound(first, spans_.end(), region, {}, &ChunkSpan::region);
  std::vector<ChunkId> result;
  for (auto at = first; at != last; ++at) {
    result.push_back(static_cast<ChunkId>(at - spans_.begin()));
  }
  return result;
}

std::uint64_t ChunkMap::bytes_in(std::span<const ChunkId> chunks) const {
  std::uint64_t sum = 0;
  for (const auto chunk : chunks) sum += span_of(chunk).bytes;
  return sum;
}

void ChunkMap::confirm(ChunkId chunk, const Digest& digest) {
  assert(digests_.size() == spans_.size());
  if (!has(chunk)) throw Error(Code::bad_request, "a digest of a chunk that there is not");
  digests_[static_cast<std::size_t>(chunk)] = digest;
}

std::vector<ChunkId> ChunkMap::differing(std::span<const Digest> now) const {
  assert(now.size() == spans_.size() && digests_.size() == spans_.size());
  std::vector<ChunkId> result;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (digests_[i] != now[i]) result.push_back(static_cast<ChunkId>(i));
  }
  return result;
}

ChunkMap ChunkMap::carried_over(const Layout& now) const {
  ChunkMap result(now, chunk_bytes_);
  result.digests_ =
      cardswap::carried_over(digests_, spans_, result.spans_, kept_regions(layout_, now));
  assert(result.digests_.size() == result.spans_.size());
  return result;
}

}  // namespace cardswap
