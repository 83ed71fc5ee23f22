#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "migrator/store/object_id.h"

namespace cardswap::store {

/// A node is at most so long: 2 TiB of a region in chunks of 1 MiB.
inline constexpr std::size_t kNodeBytesMost = 64U << 20;

/// What one region held: its chunks' ids, in their order. Says nothing of where they lie. The
/// values of a snapshot have a node too.
struct Node {
  std::uint64_t bytes = 0;  ///< of the region
  std::uint32_t chunk_bytes =
      0;                   ///< of each chunk but the last; a power of two from 4 KiB to 1 MiB
  std::uint32_t salt = 0;  ///< of its writer: a name that was removed does not come again
  std::vector<ObjectId> chunks;

  bool operator==(const Node&) const = default;
};

/// How many chunks a region of so many bytes has.
[[nodiscard]] std::uint64_t chunk_count(std::uint64_t bytes, std::uint32_t chunk_bytes);
/// Bytes of the chunk at `index`.
[[nodiscard]] std::uint32_t chunk_size(const Node& node, std::uint64_t index);

[[nodiscard]] std::vector<std::byte> encode_node(const Node& node);
/// Reads a node. Throws Error{corrupt} unless its bytes are exactly those of one.
[[nodiscard]] Node decode_node(std::span<const std::byte> bytes);

}  // namespace cardswap::store
