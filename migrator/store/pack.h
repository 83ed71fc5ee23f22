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

/// A chunk is at most so long, which is what other content stores take as a block.
inline constexpr std::uint32_t kChunkBytesMost = 1U << 20;
/// A pack is begun anew before it would be longer.
inline constexpr std::uint32_t kPackBytesMost = 64U << 20;

/// How a chunk lies in its pack. `zstd`: shuffled by the size of its elements, then packed.
enum class ChunkCodec : std::uint8_t { plain, zstd };
constexpr ChunkCodec last_of(ChunkCodec) { return ChunkCodec::zstd; }
[[nodiscard]] std::string_view to_string(ChunkCodec codec);

/// Where a chunk lies in a pack, and how.
struct ChunkRef {
  ObjectId id;               ///< of the plain bytes
  std::uint32_t at = 0;      ///< of the stored bytes, from the pack's first byte on
  std::uint32_t stored = 0;  ///< bytes in the pack
  std::uint32_t bytes = 0;   ///< plain bytes, 1 to kChunkBytesMost
  ChunkCodec codec = ChunkCodec::plain;
  std::uint8_t element = 1;  ///< bytes of an element for the shuffle; 1 where it is plain
  bool operator==(const ChunkRef&) const = default;
};

/// A chunk made ready for a pack: a pure function of its bytes, so that many threads can do it.
struct EncodedChunk {
  ChunkRef ref;  ///< but for `at`
  std::vector<std::byte> stored;
};

/// Packs the chunk of that id where that makes it at least 2 % shorter. `element`: bytes of its
/// elements (element_bytes()). `pack` false: it stays as it is. The bytes hold still meanwhile.
/// Throws Error{bad_request} for a chunk of 0 or more than kChunkBytesMost bytes.
[[nodiscard]] EncodedChunk encode_chunk(Packer& packer, const ObjectId& id,
                                        std::span<const std::byte> bytes, std::uint8_t element,
                                        bool pack = true);
/// Fills `out`, which has `ref.bytes`, from what is stored, and holds it against the id. Throws
/// Error{corrupt} that names the chunk; `out` is unspecified then.
void decode_chunk(Packer& packer, const ChunkRef& ref, std::span<const std::byte> stored,
                  std::span<std::byte> out);

/// A pack as it is put: its name is its id.
struct Pack {
  ObjectId id;  ///< of all its bytes
  std::vector<std::byte> bytes;
  std::vector<ChunkRef> chunks;
};

/// Gathers chunks into one pack. One thread.
class PackWriter {
 public:
  /// The first pack bears `salt`, the next one the number after it: no two packs get one name, so
  /// that nothing new takes the place of what a prune is about to remove.
  explicit PackWriter(std::uint64_t salt);
  /// Whether the pack has room for a chunk of so many stored bytes.
  [[nodiscard]] bool has_room_for(std::size_t stored) const;
  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  void add(const EncodedChunk& chunk);
  /// The pack with its index and footer; this is empty again.
  [[nodiscard]] Pack finish();

 private:
  std::uint64_t salt_;
  std::vector<std::byte> bytes_;
  std::vector<ChunkRef> chunks_;
};

/// Bytes at a pack's end that say where its index is.
inline constexpr std::size_t kPackFooterBytes = 48;
/// Where the index of a pack lies.
struct PackFooter {
  std::uint32_t index_at = 0;
  std::uint32_t chunks = 0;
  ObjectId index_id;
};
/// Reads a pack's last kPackFooterBytes; `pack_bytes`: how long it is. Throws Error{corrupt}.
[[nodiscard]] PackFooter read_pack_footer(std::span<const std::byte> footer,
                                          std::uint64_t pack_bytes);
/// Reads the index, which lies from `footer.index_at` to the footer. Throws Error{corrupt}.
[[nodiscard]] std::vector<ChunkRef> read_pack_index(std::span<const std::byte> index,
                                                    const PackFooter& footer);
/// Reads a whole pack: its index, and each record's own words against that; the chunks' bytes are
/// decode_chunk()'s to judge. Throws Error{corrupt}.
[[nodiscard]] std::vector<ChunkRef> read_pack(std::span<const std::byte> pack);

}  // namespace cardswap::store
