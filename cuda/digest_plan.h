#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/xxh3_core.h"

namespace cardswap::cuda {

/// The bytes of one leaf, as migrator/core/digest.h has them. nvcc reads this page and xxh3_core.h,
/// and need not see that header.
inline constexpr std::uint32_t kLeafBytes = 65536;
/// What one block of threads digests: four threads a leaf.
inline constexpr std::uint32_t kLeavesPerTile = 16;
inline constexpr std::uint32_t kTileBytes = kLeavesPerTile * kLeafBytes;

/// Up to kLeavesPerTile leaves of one range, next to each other.
struct Tile {
  const std::uint8_t* bytes;
  std::uint32_t size;
  std::uint32_t first_leaf;  ///< where its leaves' digests go
};
/// The leaves of one range.
struct Root {
  std::uint32_t first_leaf;
  std::uint32_t leaves;
};

/// One launch over many ranges: all leaves, then one digest a range. A digest is canonical, as two
/// numbers.
struct DigestPlan {
  const Tile* tiles = nullptr;
  std::uint32_t tile_count = 0;
  const Root* roots = nullptr;
  std::uint32_t root_count = 0;
  xxh3::Pair* leaf_digests = nullptr;
  xxh3::Pair* digests = nullptr;
};

[[nodiscard]] CARDSWAP_BOTH std::uint32_t leaf_size(const Tile& tile, std::uint32_t leaf) {
  const auto left = tile.size - leaf * kLeafBytes;
  return left < kLeafBytes ? left : kLeafBytes;
}
/// An empty range has one leaf, an empty one.
[[nodiscard]] CARDSWAP_BOTH std::uint64_t leaves_of(std::uint64_t bytes) {
  return bytes == 0 ? 1 : (bytes + kLeafBytes - 1) / kLeafBytes;
}

}  // namespace cardswap::cuda
