#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "migrator/core/compression.h"
#include "migrator/store/object_id.h"

namespace cardswap::store {

/// The most bytes of a chunk, a usual size of blocks in content stores.
inline constexpr std::uint32_t kStoreChunkBytesMax = 1U << 20;
/// The most bytes of a pack.
inline constexpr std::uint32_t kPackBytesMax = 64U << 20;

/// How a chunk is stored in its pack. `zstd`: byte-shuffled (byte_shuffle.h), then compressed.
enum class ChunkCodec : std::uint8_t { plain, zstd };
constexpr ChunkCodec last_of(ChunkCodec) { return ChunkCodec::zstd; }
[[nodiscard]] std::string_view to_string(ChunkCodec codec);

/// Where and how a chunk is stored in a pack.
struct ChunkPlace {
  ObjectId id;               ///< of the plain bytes
  std::uint32_t at = 0;      ///< offset of the stored bytes in the pack
  std::uint32_t stored = 0;  ///< number of stored bytes
  std::uint32_t bytes = 0;   ///< number of plain bytes, 1 to kStoreChunkBytesMax
  ChunkCodec codec = ChunkCodec::plain;
  std::uint8_t element_bytes = 1;  ///< bytes of an element for the shuffle; 1 for ChunkCodec::plain
  bool operator==(const ChunkPlace&) const = default;
};

/// A chunk in the form for a pack.
struct EncodedChunk {
  ChunkPlace place;  ///< without `at`
  std::vector<std::byte> stored;
};

/// Encodes the chunk with that id; compresses it if `compress`, and if that makes it at least 2 %
/// shorter. `element_bytes`: of one element (element_bytes()). The bytes must not change during the
/// call. Any thread, each with a Compressor of its own. Throws Error{bad_request} for a chunk of 0
/// or more than kStoreChunkBytesMax bytes.
[[nodiscard]] EncodedChunk encode_chunk(Compressor& compressor, const ObjectId& id,
                                        std::span<const std::byte> bytes,
                                        std::uint8_t element_bytes, bool compress = true);
/// Fills `out`, which has `place.bytes` bytes, from the stored bytes, and checks it against the id.
/// Throws Error{corrupt} with the id in its text; `out` is unspecified then.
void decode_chunk(Compressor& compressor, const ChunkPlace& place,
                  std::span<const std::byte> stored, std::span<std::byte> out);

/// A complete pack. Its object's name is pack_name() of its id.
struct Pack {
  ObjectId id;  ///< of all its bytes
  std::vector<std::byte> bytes;
  std::vector<ChunkPlace> chunks;
};

/// Gathers chunks into one pack. One thread.
class PackWriter {
 public:
  /// The first pack contains `salt`, each later one a number that is higher by 1. So no two packs
  /// have the same name, and no new pack gets the name of one that a prune is about to remove.
  explicit PackWriter(std::uint64_t salt);
  /// Whether the pack has room for a chunk of `stored` bytes.
  [[nodiscard]] bool has_room_for(std::size_t stored) const;
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  /// Throws Error{internal} unless has_room_for() the chunk.
  void add(const EncodedChunk& chunk);
  /// Returns the pack, with index and footer, and begins the next pack. Throws Error{internal} for
  /// a pack without chunks.
  [[nodiscard]] Pack finish();
  /// Does what finish() does, but leaves the id out: id_of() its bytes takes as long as all else.
  [[nodiscard]] Pack finish_without_id();

 private:
  std::uint64_t salt_;
  std::vector<std::byte> bytes_;
  std::vector<ChunkPlace> chunks_;
};

/// The bytes of the footer, at the end of a pack.
inline constexpr std::size_t kPackFooterBytes = 48;
/// The footer of a pack: where its index is.
struct PackFooter {
  std::uint32_t index_at = 0;  ///< offset in the pack
  std::uint32_t chunks = 0;    ///< number of entries
  ObjectId index_id;           ///< hash of the index
};
/// Reads the last kPackFooterBytes of a pack of `pack_bytes`. Throws Error{corrupt}.
[[nodiscard]] PackFooter read_pack_footer(std::span<const std::byte> footer,
                                          std::uint64_t pack_bytes);
/// Reads the index, the bytes from `footer.index_at` to the footer, and checks its hash. Throws
/// Error{corrupt}.
[[nodiscard]] std::vector<ChunkPlace> read_pack_index(std::span<const std::byte> index,
                                                      const PackFooter& footer);
/// Reads a whole pack: its index, and checks the head of each chunk's record against the index.
/// Does not check the chunks' bytes: decode_chunk() does. Throws Error{corrupt}.
[[nodiscard]] std::vector<ChunkPlace> read_pack(std::span<const std::byte> pack);

}  // namespace cardswap::store
