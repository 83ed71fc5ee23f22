#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "migrator/store/object_id.h"

namespace cardswap::store {

/// The most bytes of a node: enough for a region of 2 TiB in chunks of 1 MiB.
inline constexpr std::size_t kNodeBytesMax = 64U << 20;

/// The content of one region: the ids of its chunks, in order. It does not say in which packs they
/// are. The values of a snapshot have a node as well.
struct Node {
  std::uint64_t bytes = 0;  ///< of the region
  /// Bytes of each chunk, except a shorter last one; a power of two from 4 KiB to 1 MiB.
  std::uint32_t chunk_bytes = 0;
  std::uint32_t salt = 0;  ///< drawn by the writer, so that no node gets the name of a removed one
  std::vector<ObjectId> chunks;

  bool operator==(const Node&) const = default;
};

/// How many chunks a region of `bytes` has.
[[nodiscard]] std::uint64_t chunk_count(std::uint64_t bytes, std::uint32_t chunk_bytes);
/// The bytes of the chunk at `index`, which the node must have.
[[nodiscard]] std::uint32_t chunk_size(const Node& node, std::uint64_t index);

/// The bytes of a node. Throws Error{bad_request} for a node whose chunks do not fit its size, or
/// that has more than kNodeBytesMax bytes.
[[nodiscard]] std::vector<std::byte> encode_node(const Node& node);
/// Reads the bytes of encode_node(). Throws Error{corrupt} for any other bytes.
[[nodiscard]] Node decode_node(std::span<const std::byte> bytes);

}  // namespace cardswap::store
