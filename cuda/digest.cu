// Digests of many ranges in two launches: leaves, then ranges.
//
// Four threads share a leaf, two lanes of XXH3 each, so a warp reads 8 runs of 64 bytes a turn,
// which is what the memory gives at a time. One pass over the bytes and 16 bytes written for every
// 65536 read: bound by memory bandwidth, goal 80 % of a copy's.

#include <cuda_runtime_api.h>

#include "cuda/kernels.h"

namespace cardswap::cuda {
namespace {

constexpr unsigned kThreads = kLeavesPerTile * xxh3::kPairs;

__constant__ xxh3::Secret secret = xxh3::kSecret;

__device__ std::uint64_t summed(std::uint64_t value) {
  value += __shfl_xor_sync(0xffffffffU, value, 1);
  return value + __shfl_xor_sync(0xffffffffU, value, 2);
}

__device__ xxh3::Pair load_16(const std::uint8_t* at) {
  const auto words = __ldg(reinterpret_cast<const ulonglong2*>(at));
  return {words.x, words.y};
}

/// The long form by four threads. All 32 threads of a warp must call it together; the result is
/// valid only if `mine`. Whole blocks of 16 stripes are unrolled, so that their loads are issued
/// ahead and the keys stay in registers.
__device__ xxh3::Pair hash_together(const std::uint8_t* at, std::uint64_t bytes, bool mine) {
  const unsigned pair = threadIdx.x % xxh3::kPairs;
  const auto* key = secret.bytes + 16 * pair;
  xxh3::Pair lanes = xxh3::start(pair);
  if (mine) {
    std::uint64_t words[xxh3::kStripesPerBlock + 1];
#pragma unroll
    for (unsigned i = 0; i <= xxh3::kStripesPerBlock; ++i) {
      words[i] = *reinterpret_cast<const std::uint64_t*>(key + 8 * i);
    }
    const auto* from = at + 16 * pair;
    const std::uint64_t stripes = (bytes - 1) / xxh3::kStripeBytes;
    const std::uint64_t blocks = stripes / xxh3::kStripesPerBlock;
    for (std::uint64_t block = 0; block < blocks; ++block) {
#pragma unroll
      for (unsigned i = 0; i < xxh3::kStripesPerBlock; ++i) {
        xxh3::accumulate(lanes, load_16(from + xxh3::kStripeBytes * i), {words[i], words[i + 1]});
      }
      from += xxh3::kBlockBytes;
      xxh3::scramble(lanes, xxh3::load_pair(key + xxh3::kScrambleKey));
    }
#pragma unroll
    for (unsigned i = 0; i < xxh3::kStripesPerBlock; ++i) {
      if (i < stripes % xxh3::kStripesPerBlock) {
        xxh3::accumulate(lanes, load_16(from + xxh3::kStripeBytes * i), {words[i], words[i + 1]});
      }
    }
    const auto* last = at + bytes - xxh3::kStripeBytes + 16 * pair;
    const bool aligned = (bytes % 16) == 0;
    xxh3::accumulate(lanes, aligned ? load_16(last) : xxh3::load_pair(last),
                     xxh3::load_pair(key + xxh3::kLastKey));
  }
  const auto low = summed(mine ? xxh3::merged_low(pair, lanes, secret) : 0);
  const auto high = summed(mine ? xxh3::merged_high(pair, lanes, secret) : 0);
  return xxh3::canonical(xxh3::finish(low, high, bytes));
}

/// A short leaf, or one that is not aligned to 16 bytes, is digested by one thread.
__device__ xxh3::Pair digest_by_four(const std::uint8_t* at, std::uint64_t bytes, bool active) {
  const bool together =
      active && bytes > xxh3::kShortMax && reinterpret_cast<std::uintptr_t>(at) % 16 == 0;
  auto result = hash_together(at, bytes, together);
  if (active && !together && threadIdx.x % xxh3::kPairs == 0) {
    result = xxh3::canonical(xxh3::hash(at, bytes, secret));
  }
  return result;
}

__global__ void __launch_bounds__(kThreads, 16)
    digest_leaves(const Tile* tiles, xxh3::Pair* leaf_digests) {
  const Tile tile = tiles[blockIdx.x];
  const unsigned leaf = threadIdx.x / xxh3::kPairs;
  const bool active = leaf == 0 || leaf * kLeafBytes < tile.size;
  const auto size = active ? leaf_size(tile, leaf) : 0;
  const auto digest = digest_by_four(tile.bytes + std::size_t{leaf} * kLeafBytes, size, active);
  if (active && threadIdx.x % xxh3::kPairs == 0) leaf_digests[tile.first_leaf + leaf] = digest;
}

__global__ void __launch_bounds__(kThreads)
    digest_roots(const RangeLeaves* range_leaves, std::uint32_t count,
                 const xxh3::Pair* leaf_digests, xxh3::Pair* digests) {
  const unsigned index = (blockIdx.x * kThreads + threadIdx.x) / xxh3::kPairs;
  const bool active = index < count;
  const RangeLeaves root = active ? range_leaves[index] : RangeLeaves{0, 1};
  const bool tree = active && root.leaves > 1;
  const auto* leaves = reinterpret_cast<const std::uint8_t*>(leaf_digests + root.first_leaf);
  auto digest = digest_by_four(leaves, std::uint64_t{root.leaves} * sizeof(xxh3::Pair), tree);
  if (!active || threadIdx.x % xxh3::kPairs != 0) return;
  digests[index] = tree ? digest : leaf_digests[root.first_leaf];
}

}  // namespace

cudaError_t launch_digest(const DigestPlan& plan, cudaStream_t stream) {
  if (plan.range_count == 0) return cudaSuccess;
  digest_leaves<<<plan.tile_count, kThreads, 0, stream>>>(plan.tiles, plan.leaf_digests);
  constexpr unsigned kRootsPerBlock = kThreads / xxh3::kPairs;
  digest_roots<<<(plan.range_count + kRootsPerBlock - 1) / kRootsPerBlock, kThreads, 0, stream>>>(
      plan.range_leaves, plan.range_count, plan.leaf_digests, plan.digests);
  return cudaGetLastError();
}

}  // namespace cardswap::cuda
