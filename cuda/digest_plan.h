#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/xxh3_core.h"

namespace cardswap::cuda {

/// The bytes of one leaf, the same as in migrator/core/digest.h. Written out, because nvcc does not
/// compile that header.
inline constexpr std::uint32_t kLeafBytes = 65536;
/// How many leaves one block of threads digests, with four threads for each leaf.
inline constexpr std::uint32_t kLeavesPerTile = 16;
inline constexpr std::uint32_t kTileBytes = kLeavesPerTile * kLeafBytes;

/// Up to kLeavesPerTile adjacent leaves of one range.
struct Tile {
  const std::uint8_t* bytes;
  std::uint32_t size;        ///< in bytes
  std::uint32_t first_leaf;  ///< index of its first digest in DigestPlan::leaf_digests
};
/// The leaves of one range, as indices into DigestPlan::leaf_digests.
struct RangeLeaves {
  std::uint32_t first_leaf;
  std::uint32_t leaves;
};

/// One launch over many ranges: the digests of all leaves, then one digest for each range. A digest
/// is the canonical form, as two numbers. All pointers are to the GPU's memory.
struct DigestPlan {
  const Tile* tiles = nullptr;
  std::uint32_t tile_count = 0;
  const RangeLeaves* range_leaves = nullptr;
  std::uint32_t range_count = 0;
  xxh3::Pair* leaf_digests = nullptr;
  xxh3::Pair* digests = nullptr;
};

/// Bytes of the leaf with the index `leaf` in its tile.
[[nodiscard]] CARDSWAP_BOTH std::uint32_t leaf_size(const Tile& tile, std::uint32_t leaf) {
  const auto left = tile.size - leaf * kLeafBytes;
  return left < kLeafBytes ? left : kLeafBytes;
}
/// How many leaves a range of `bytes` has; an empty range has one empty leaf.
[[nodiscard]] CARDSWAP_BOTH std::uint64_t leaves_of(std::uint64_t bytes) {
  return bytes == 0 ? 1 : (bytes + kLeafBytes - 1) / kLeafBytes;
}

}  // namespace cardswap::cuda
