#include "migrator/store/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>

#include "migrator/base/error.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"
#include "migrator/store/pack.h"

namespace cardswap::store {
namespace {

constexpr std::string_view kNodeMagic = "CSNODE01";
constexpr std::size_t kNodeHeadBytes = 24;
constexpr std::uint32_t kChunkBytesMin = 4096;

Error bad_node(std::string_view what) { return {Code::corrupt, fmt::format("node: {}", what)}; }

bool is_chunk_size(std::uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kChunkBytesMin && bytes <= kStoreChunkBytesMax;
}

}  // namespace

std::uint64_t chunk_count(std::uint64_t bytes, std::uint32_t chunk_bytes) {
  return bytes / chunk_bytes + (bytes % chunk_bytes == 0 ? 0 : 1);
}

std::uint32_t chunk_size(const Node& node, std::uint64_t index) {
  const auto offset = index * node.chunk_bytes;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(node.chunk_bytes, node.bytes - std::min(node.bytes, offset)));
}

std::vector<std::byte> encode_node(const Node& node) {
  if (!is_chunk_size(node.chunk_bytes) ||
      node.chunks.size() != chunk_count(node.bytes, node.chunk_bytes) ||
      node.chunks.size() > (kNodeBytesMax - kNodeHeadBytes) / sizeof(ObjectId)) {
    throw Error(Code::bad_request, fmt::format("a region of {} bytes in {} chunks of {} bytes",
                                               node.bytes, node.chunks.size(), node.chunk_bytes));
  }
  wire::WireWriter writer;
  writer.raw(std::as_bytes(std::span(kNodeMagic)));
  writer.u64(node.bytes).u32(node.chunk_bytes).u32(node.salt);
  writer.raw(std::as_bytes(std::span(node.chunks)));
  return std::move(writer).take();
}

Node decode_node(std::span<const std::byte> bytes) {
  if (bytes.size() < kNodeHeadBytes || bytes.size() > kNodeBytesMax) {
    throw bad_node(fmt::format("{} bytes are none", bytes.size()));
  }
  wire::WireReader reader(bytes);
  if (!std::ranges::equal(reader.take(kNodeMagic.size()), std::as_bytes(std::span(kNodeMagic)))) {
    throw bad_node("its beginning is damaged");
  }
  Node node;
  node.bytes = reader.u64();
  node.chunk_bytes = reader.u32();
  node.salt = reader.u32();
  if (!is_chunk_size(node.chunk_bytes)) throw bad_node("its chunks have an impossible size");
  const auto ids = bytes.subspan(kNodeHeadBytes);
  const auto count = chunk_count(node.bytes, node.chunk_bytes);
  if (ids.size() % sizeof(ObjectId) != 0 || ids.size() / sizeof(ObjectId) != count) {
    throw bad_node(fmt::format("{} bytes of ids are not {} chunks'", ids.size(), count));
  }
  node.chunks.resize(count);
  std::ranges::copy(ids, std::as_writable_bytes(std::span(node.chunks)).begin());
  return node;
}

}  // namespace cardswap::store
