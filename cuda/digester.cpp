#include "cuda/digester.h"

#include <algorithm>
#include <cstring>

namespace cardswap::cuda {
namespace {

constexpr std::size_t kAlign = 256;
std::size_t aligned(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

static_assert(sizeof(Digest) == sizeof(xxh3::Pair));
static_assert(kLeafBytes == cardswap::kLeafBytes);

}  // namespace

DigestWork cut_into_tiles(std::span<const MemoryRange> ranges) {
  DigestWork work;
  work.range_leaves.reserve(ranges.size());
  for (const auto& range : ranges) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(range.bytes.data());
    const auto leaves = static_cast<std::uint32_t>(leaves_of(range.bytes.size()));
    work.range_leaves.push_back({work.leaves, leaves});
    auto left = range.bytes.size();
    for (std::uint32_t leaf = 0; leaf < leaves; leaf += kLeavesPerTile) {
      const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(left, kTileBytes));
      work.tiles.push_back({bytes + std::size_t{leaf} * kLeafBytes, size, work.leaves + leaf});
      left -= size;
    }
    work.leaves += leaves;
  }
  return work;
}

void Digester::make_room(std::size_t bytes) {
  if (device_ && host_ && device_->size() >= bytes) return;
  device_.reset();
  host_.reset();
  device_.emplace(gpu_, bytes);
  host_.emplace(gpu_, bytes);
}

void Digester::digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                      const Fence& after) {
  if (ranges.empty()) return;
  const auto work = cut_into_tiles(ranges);
  const auto tile_bytes = aligned(work.tiles.size() * sizeof(Tile));
  const auto range_leaves_bytes = aligned(work.range_leaves.size() * sizeof(RangeLeaves));
  const auto digest_bytes = aligned(ranges.size() * sizeof(Digest));
  const auto leaf_bytes = aligned(std::size_t{work.leaves} * sizeof(Digest));
  const MutexLock lock(mutex_);
  gpu_.select();
  // Both sides alike: tiles, range_leaves, the ranges' digests; the leaves' digests are the GPU's
  // alone.
  make_room(tile_bytes + range_leaves_bytes + digest_bytes + leaf_bytes);
  std::memcpy(host_->data(), work.tiles.data(), work.tiles.size() * sizeof(Tile));
  std::memcpy(host_->data() + tile_bytes, work.range_leaves.data(),
              work.range_leaves.size() * sizeof(RangeLeaves));

  auto& runtime = *gpu_.runtime;
  auto* there = device_->data();
  DigestPlan plan;
  plan.tiles = reinterpret_cast<const Tile*>(there);  // NOLINT: what was just put there
  plan.tile_count = static_cast<std::uint32_t>(work.tiles.size());
  plan.range_leaves = reinterpret_cast<const RangeLeaves*>(there + tile_bytes);  // NOLINT
  plan.range_count = static_cast<std::uint32_t>(work.range_leaves.size());
  plan.digests = reinterpret_cast<xxh3::Pair*>(there + tile_bytes + range_leaves_bytes);  // NOLINT
  plan.leaf_digests = reinterpret_cast<xxh3::Pair*>(                                      // NOLINT
      there + tile_bytes + range_leaves_bytes + digest_bytes);
  make_wait(gpu_, stream_.get(), after);
  gpu_.check(runtime.copy(there, host_->data(), tile_bytes + range_leaves_bytes, stream_.get()),
             "cudaMemcpyAsync to the GPU", tile_bytes + range_leaves_bytes);
  gpu_.check(runtime.digest(plan, stream_.get()), "the digest kernels");
  auto* results = host_->data() + tile_bytes + range_leaves_bytes;
  gpu_.check(runtime.copy(results, plan.digests, digest_bytes, stream_.get()),
             "cudaMemcpyAsync from the GPU", digest_bytes);
  done_.record(stream_.get());
  done_.synchronize();
  std::memcpy(digests.data(), results, ranges.size() * sizeof(Digest));
}

}  // namespace cardswap::cuda
