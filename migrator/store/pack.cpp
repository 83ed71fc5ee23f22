#include "migrator/store/pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/plan/migration_spec.h"

namespace cardswap::store {
namespace {

constexpr std::string_view kPackMagic = "CSPACK01";
constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kRecordBytes = 44;
constexpr std::size_t kEntryBytes = 48;
constexpr std::uint8_t kElementBytesMax = 16;
constexpr double kWorthCompressing = 0.98;

static_assert(kSnapshotChunkBytes <= kStoreChunkBytesMax, "a store takes the chunks of a snapshot");

Error bad_pack(std::string_view what) { return {Code::corrupt, fmt::format("pack: {}", what)}; }

std::span<const std::byte> magic() { return std::as_bytes(std::span(kPackMagic)); }

void put_record(wire::WireWriter& writer, const ChunkPlace& chunk) {
  writer.u32(chunk.stored)
      .u8(static_cast<std::uint8_t>(chunk.codec))
      .u8(chunk.element_bytes)
      .u16(0);
  writer.u32(chunk.bytes).raw(chunk.id.bytes);
}

ObjectId take_id(wire::WireReader& reader) {
  ObjectId id;
  std::ranges::copy(reader.take(id.bytes.size()), id.bytes.begin());
  return id;
}

/// Checks the fields of a chunk against the limits of all chunks.
void check_chunk(const ChunkPlace& chunk, std::uint8_t codec) {
  if (codec > static_cast<std::uint8_t>(last_of(ChunkCodec{}))) {
    throw bad_pack("a chunk is compressed in an unknown way");
  }
  const bool plain = codec == static_cast<std::uint8_t>(ChunkCodec::plain);
  if (chunk.bytes == 0 || chunk.bytes > kStoreChunkBytesMax || chunk.stored == 0 ||
      chunk.stored > chunk.bytes || (plain && chunk.stored != chunk.bytes)) {
    throw bad_pack("a chunk has an impossible size");
  }
  if (chunk.element_bytes == 0 || chunk.element_bytes > kElementBytesMax ||
      (plain && chunk.element_bytes != 1)) {
    throw bad_pack("a chunk has elements of an impossible size");
  }
}

/// Turns an Error{bad_request} of a parser into Error{corrupt}: the stored object is damaged.
template <class Read>
auto as_corrupt(Read read) {
  try {
    return read();
  } catch (const Error& e) {
    if (e.code() != Code::bad_request) throw;
    throw bad_pack(e.failure());
  }
}

ChunkPlace take_record(wire::WireReader& reader, std::uint32_t at) {
  ChunkPlace chunk;
  chunk.at = at;
  chunk.stored = reader.u32();
  const auto codec = reader.u8();
  chunk.element_bytes = reader.u8();
  if (reader.u16() != 0) throw bad_pack("a record has bytes that mean nothing yet");
  chunk.bytes = reader.u32();
  chunk.id = take_id(reader);
  check_chunk(chunk, codec);
  chunk.codec = static_cast<ChunkCodec>(codec);
  return chunk;
}

ChunkPlace take_entry(wire::WireReader& reader) {
  ChunkPlace chunk;
  chunk.id = take_id(reader);
  chunk.at = reader.u32();
  chunk.stored = reader.u32();
  chunk.bytes = reader.u32();
  const auto codec = reader.u8();
  chunk.element_bytes = reader.u8();
  if (reader.u16() != 0) throw bad_pack("its index has bytes that mean nothing yet");
  check_chunk(chunk, codec);
  chunk.codec = static_cast<ChunkCodec>(codec);
  return chunk;
}

}  // namespace

std::string_view to_string(ChunkCodec codec) {
  switch (codec) {
    case ChunkCodec::plain: return "plain";
    case ChunkCodec::zstd: return "zstd";
  }
  return "unknown";
}

EncodedChunk encode_chunk(Compressor& compressor, const ObjectId& id,
                          std::span<const std::byte> bytes, std::uint8_t element_bytes,
                          bool compress) {
  if (bytes.empty() || bytes.size() > kStoreChunkBytesMax) {
    throw Error(Code::bad_request, fmt::format("{} bytes are not a chunk", bytes.size()));
  }
  EncodedChunk chunk;
  chunk.place.id = id;
  chunk.place.bytes = static_cast<std::uint32_t>(bytes.size());
  if (compress) {
    auto compressed = compressor.compress(Codec::zstd, bytes, {element_bytes, false});
    if (static_cast<double>(compressed.size()) <
        kWorthCompressing * static_cast<double>(bytes.size())) {
      chunk.stored = std::move(compressed);
      chunk.place.codec = ChunkCodec::zstd;
      chunk.place.element_bytes = element_bytes;
    }
  }
  if (chunk.stored.empty()) chunk.stored.assign(bytes.begin(), bytes.end());
  chunk.place.stored = static_cast<std::uint32_t>(chunk.stored.size());
  return chunk;
}

void decode_chunk(Compressor& compressor, const ChunkPlace& place,
                  std::span<const std::byte> stored, std::span<std::byte> out) {
  const auto damaged = [&](std::string_view what) {
    return Error(Code::corrupt, fmt::format("chunk {}: {}", to_string(place.id), what));
  };
  if (stored.size() != place.stored || out.size() != place.bytes)
    throw damaged("its size is wrong");
  if (place.codec == ChunkCodec::zstd) {
    try {
      compressor.decompress(Codec::zstd, stored, out, {place.element_bytes, false});
    } catch (const Error&) {
      throw damaged("it cannot be decompressed");
    }
  } else {
    if (stored.size() != out.size()) throw damaged("its size is wrong");
    std::ranges::copy(stored, out.begin());
  }
  if (id_of(out) != place.id) throw damaged("its bytes are not those of its id");
}

PackWriter::PackWriter(std::uint64_t salt) : salt_(salt) {}

bool PackWriter::has_room_for(std::size_t stored) const {
  const auto before = bytes_.empty() ? kHeaderBytes : bytes_.size();
  return before + kRecordBytes + stored + (chunks_.size() + 1) * kEntryBytes + kPackFooterBytes <=
         kPackBytesMax;
}

void PackWriter::add(const EncodedChunk& chunk) {
  if (!has_room_for(chunk.stored.size())) throw Error(Code::internal, "a pack has no more room");
  wire::WireWriter head;
  if (bytes_.empty()) {
    bytes_.reserve(kPackBytesMax);
    head.raw(magic()).u64(salt_++);
  }
  put_record(head, chunk.place);
  bytes_.insert(bytes_.end(), head.bytes().begin(), head.bytes().end());
  chunks_.push_back(chunk.place);
  chunks_.back().at = static_cast<std::uint32_t>(bytes_.size());
  bytes_.insert(bytes_.end(), chunk.stored.begin(), chunk.stored.end());
}

Pack PackWriter::finish() {
  auto pack = finish_without_id();
  pack.id = id_of(pack.bytes);
  return pack;
}

Pack PackWriter::finish_without_id() {
  if (chunks_.empty()) throw Error(Code::internal, "a pack without chunks");
  const auto index_at = static_cast<std::uint32_t>(bytes_.size());
  wire::WireWriter index;
  for (const auto& chunk : chunks_) {
    index.raw(chunk.id.bytes).u32(chunk.at).u32(chunk.stored).u32(chunk.bytes);
    index.u8(static_cast<std::uint8_t>(chunk.codec)).u8(chunk.element_bytes).u16(0);
  }
  wire::WireWriter footer;
  footer.u32(index_at).u32(static_cast<std::uint32_t>(chunks_.size()));
  footer.raw(id_of(index.bytes()).bytes).raw(magic());
  bytes_.insert(bytes_.end(), index.bytes().begin(), index.bytes().end());
  bytes_.insert(bytes_.end(), footer.bytes().begin(), footer.bytes().end());
  Pack pack;
  pack.bytes = std::exchange(bytes_, {});
  pack.chunks = std::exchange(chunks_, {});
  return pack;
}

PackFooter read_pack_footer(std::span<const std::byte> footer, std::uint64_t pack_bytes) {
  if (footer.size() != kPackFooterBytes || pack_bytes > kPackBytesMax ||
      pack_bytes < kHeaderBytes + kRecordBytes + 1 + kEntryBytes + kPackFooterBytes) {
    throw bad_pack(fmt::format("{} bytes are not a pack", pack_bytes));
  }
  return as_corrupt([&] {
    wire::WireReader reader(footer);
    PackFooter result;
    result.index_at = reader.u32();
    result.chunks = reader.u32();
    result.index_id = take_id(reader);
    if (!std::ranges::equal(reader.take(kPackMagic.size()), magic())) {
      throw bad_pack("its end is missing or damaged");
    }
    if (result.chunks == 0 ||
        std::uint64_t{result.index_at} + result.chunks * kEntryBytes + kPackFooterBytes !=
            pack_bytes) {
      throw bad_pack("its index does not fill the place before its end");
    }
    return result;
  });
}

std::vector<ChunkPlace> read_pack_index(std::span<const std::byte> index,
                                        const PackFooter& footer) {
  if (index.size() != footer.chunks * kEntryBytes) throw bad_pack("its index is cut off");
  if (id_of(index) != footer.index_id) throw bad_pack("its index is damaged");
  return as_corrupt([&] {
    wire::WireReader reader(index);
    std::vector<ChunkPlace> chunks;
    chunks.reserve(footer.chunks);
    std::uint64_t at = kHeaderBytes;
    for (std::uint32_t i = 0; i < footer.chunks; ++i) {
      chunks.push_back(take_entry(reader));
      if (chunks.back().at != at + kRecordBytes) throw bad_pack("a chunk lies elsewhere");
      at = std::uint64_t{chunks.back().at} + chunks.back().stored;
    }
    if (at != footer.index_at) throw bad_pack("there are bytes that belong to no chunk");
    return chunks;
  });
}

std::vector<ChunkPlace> read_pack(std::span<const std::byte> pack) {
  const auto end = pack.subspan(pack.size() - std::min(pack.size(), kPackFooterBytes));
  const auto footer = read_pack_footer(end, pack.size());
  auto chunks = read_pack_index(
      pack.subspan(footer.index_at, pack.size() - footer.index_at - kPackFooterBytes), footer);
  if (!std::ranges::equal(pack.first(kPackMagic.size()), magic())) {
    throw bad_pack("its beginning is damaged");
  }
  return as_corrupt([&] {
    for (const auto& chunk : chunks) {
      wire::WireReader reader(pack.subspan(chunk.at - kRecordBytes, kRecordBytes));
      if (take_record(reader, chunk.at) != chunk) {
        throw bad_pack(fmt::format("chunk {}: its record differs", to_string(chunk.id)));
      }
    }
    return std::move(chunks);
  });
}

}  // namespace cardswap::store
