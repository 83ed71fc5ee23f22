#include "migrator/wire/messages.h"

#include <utility>

#include "migrator/core/reader.h"
#include "migrator/core/writer.h"

namespace cardswap::data {
namespace {

using wire::WireReader;
using wire::WireWriter;

constexpr std::size_t kTextBytesMax = 64U << 10;
constexpr std::size_t kValuesBytesMax = 48U << 20;
constexpr std::size_t kRegionBytesMin = 3 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);
constexpr std::size_t kHeldBytesMin = sizeof(std::uint32_t) + sizeof(Digest);

void put(WireWriter& w, const Layout& layout) {
  w.u32(static_cast<std::uint32_t>(layout.regions().size()));
  for (const auto& region : layout.regions()) {
    w.string(region.name).string(region.dtype).string(region.shape);
    w.u64(region.bytes).u64(region.address);
  }
}

Layout take_layout(WireReader& r) {
  const auto count = r.count(kRegionBytesMin);
  if (count > kRegionsMax) throw Error(Code::bad_request, "a layout of too many regions");
  std::vector<Region> regions(count);
  std::uint64_t total = 0;
  for (auto& region : regions) {
    region.name = r.string(kTextBytesMax);
    region.dtype = r.string(kTextBytesMax);
    region.shape = r.string(kTextBytesMax);
    region.bytes = r.u64();
    if (region.bytes > (1ULL << 50) - total) {
      throw Error(Code::bad_request, "a layout of over a pebibyte");
    }
    total += region.bytes;
    region.address = r.u64();
    if (region.address > UINT64_MAX - region.bytes) {
      throw Error(Code::bad_request, "a region past the end of memory");
    }
  }
  return Layout(std::move(regions));
}

void put(WireWriter& w, const Hello& m) {
  w.u32(m.magic).u32(m.version).string(m.migration).string(m.token);
  w.u64(m.chunk_bytes).boolean(m.want_held);
  put(w, m.layout);
}
void put(WireWriter& w, const LayoutChanged& m) {
  w.boolean(m.want_held);
  put(w, m.layout);
}
void put(WireWriter& w, const RoundEnd& m) {
  w.u32(m.round).u32(m.chunks).boolean(m.final).u64(m.updates);
}
void put(WireWriter& w, const Ping& m) { w.i64(m.sent_ns); }
void put(WireWriter&, const FreezeBegin&) {}
void put(WireWriter& w, const Values& m) {
  w.u64(m.step).i64(m.last_step_end_ns).i64(m.clock_error_ns).blob(m.values);
}
void put(WireWriter& w, const Equal& m) { w.digest(m.root); }
void put(WireWriter& w, const Bye& m) { w.string(m.reason); }
void put(WireWriter& w, const Accept& m) { w.u32(m.chunks); }
void put(WireWriter& w, const Refuse& m) {
  w.u8(static_cast<std::uint8_t>(m.code)).string(m.failure).string(m.hint);
}
void put(WireWriter& w, const Held& m) {
  w.u32(m.round).boolean(m.final).digest(m.values);
  w.u32(static_cast<std::uint32_t>(m.chunks.size()));
  for (const auto& [chunk, digest] : m.chunks) {
    w.u32(static_cast<std::uint32_t>(chunk)).digest(digest);
  }
}
void put(WireWriter& w, const Pong& m) { w.i64(m.sent_ns).i64(m.target_ns); }
void put(WireWriter& w, const Confirmed& m) { w.digest(m.root); }
void put(WireWriter& w, const Update& m) {
  w.u64(m.number).u64(m.step).boolean(m.audit).u32(m.optimizer).u64(m.base_chunks);
  w.blob(m.options).u32(static_cast<std::uint32_t>(m.gradients.size()));
  for (const auto& gradient : m.gradients) w.u32(gradient.parameter).u64(gradient.bytes);
}
void put(WireWriter& w, const Replayed& m) { w.u64(m.number).f64(m.replay_ms); }
void put(WireWriter& w, const Audited& m) {
  w.u64(m.number).u32(static_cast<std::uint32_t>(m.chunks.size()));
  for (const auto& chunk : m.chunks) w.digest(chunk);
}

void put(WireWriter& w, const LayoutAmended& m) {
  w.u64(m.updates).u64(m.base_chunks);
  put(w, m.layout);
}
void put(WireWriter& w, const Knock& m) {
  w.u32(m.magic).u32(m.version).string(m.migration).string(m.token);
}

/// What a source's first messages begin with.
template <class First>
void take_head(WireReader& r, First& m) {
  m.magic = r.u32();
  m.version = r.u32();
  if (m.magic != kMagic) throw Error(Code::bad_request, "the peer is no Cardswap source");
  if (m.version != kVersion) {
    throw Error(Code::protocol_mismatch, "the source speaks another data-plane version",
                "run the same Cardswap release on both hosts");
  }
  m.migration = r.string(kTextBytesMax);
  m.token = r.string(kTextBytesMax);
}

Message take(WireReader& r, std::size_t number) {
  switch (number) {
    case 1: {
      Hello m;
      take_head(r, m);
      m.chunk_bytes = r.u64();
      m.want_held = r.boolean();
      m.layout = take_layout(r);
      return m;
    }
    case 2: {
      LayoutChanged m;
      m.want_held = r.boolean();
      m.layout = take_layout(r);
      return m;
    }
    case 3: {
      RoundEnd m;
      m.round = r.u32();
      m.chunks = r.u32();
      m.final = r.boolean();
      m.updates = r.u64();
      return m;
    }
    case 4: return Ping{r.i64()};
    case 5: return FreezeBegin{};
    case 6: {
      Values m;
      m.step = r.u64();
      m.last_step_end_ns = r.i64();
      m.clock_error_ns = r.i64();
      const auto blob = r.blob(kValuesBytesMax);
      m.values.assign(blob.begin(), blob.end());
      return m;
    }
    case 7: return Equal{r.digest()};
    case 8: return Bye{r.string(kTextBytesMax)};
    case 9: return Accept{r.u32()};
    case 10: {
      Refuse m;
      const auto code = r.u8();
      if (code > static_cast<std::uint8_t>(Code::internal)) {
        throw Error(Code::bad_request, "an error code out of range");
      }
      m.code = static_cast<Code>(code);
      m.failure = r.string(kTextBytesMax);
      m.hint = r.string(kTextBytesMax);
      return m;
    }
    case 11: {
      Held m;
      m.round = r.u32();
      m.final = r.boolean();
      m.values = r.digest();
      m.chunks.resize(r.count(kHeldBytesMin));
      for (auto& [chunk, digest] : m.chunks) {
        chunk = static_cast<ChunkId>(r.u32());
        digest = r.digest();
      }
      return m;
    }
    case 12: {
      Pong m;
      m.sent_ns = r.i64();
      m.target_ns = r.i64();
      return m;
    }
    case 13: return Confirmed{r.digest()};
    case 14: {
      Update m;
      m.number = r.u64();
      m.step = r.u64();
      m.audit = r.boolean();
      m.optimizer = r.u32();
      m.base_chunks = r.u64();
      const auto options = r.blob(kValuesBytesMax);
      m.options.assign(options.begin(), options.end());
      m.gradients.resize(r.count(sizeof(std::uint32_t) + sizeof(std::uint64_t)));
      for (auto& gradient : m.gradients) {
        gradient.parameter = r.u32();
        gradient.bytes = r.u64();
      }
      return m;
    }
    case 15: {
      Replayed m;
      m.number = r.u64();
      m.replay_ms = r.f64();
      return m;
    }
    case 16: {
      Audited m;
      m.number = r.u64();
      m.chunks.resize(r.count(sizeof(Digest)));
      for (auto& chunk : m.chunks) chunk = r.digest();
      return m;
    }
    case 17: {
      LayoutAmended m;
      m.updates = r.u64();
      m.base_chunks = r.u64();
      m.layout = take_layout(r);
      return m;
    }
    case 18: {
      Knock m;
      take_head(r, m);
      return m;
    }
    default: throw Error(Code::bad_request, "unknown message number on the data link");
  }
}

}  // namespace

std::vector<std::byte> encode(const Message& message) {
  WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&](const auto& m) { put(writer, m); }, message);
  return std::move(writer).take();
}

Message decode(std::span<const std::byte> bytes) {
  WireReader reader(bytes);
  const auto number = reader.u8();
  auto message = take(reader, number);
  reader.finish();
  return message;
}

std::vector<std::byte> encode(const BulkHeader& header, const Packing& packing) {
  WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(header.index()));
  if (const auto* chunk = std::get_if<ChunkHeader>(&header)) {
    writer.u32(static_cast<std::uint32_t>(chunk->chunk)).u32(chunk->round);
  } else {
    const auto& gradient = std::get<GradientHeader>(header);
    writer.u64(gradient.update).u32(gradient.gradient).u64(gradient.offset);
  }
  writer.u8(static_cast<std::uint8_t>(packing.codec)).u8(packing.element).u32(packing.bytes);
  return std::move(writer).take();
}

Bulk decode_bulk_header(std::span<const std::byte> bytes) {
  WireReader reader(bytes);
  Bulk bulk;
  auto& header = bulk.what;
  switch (reader.u8()) {
    case 0: {
      ChunkHeader chunk;
      chunk.chunk = static_cast<ChunkId>(reader.u32());
      chunk.round = reader.u32();
      header = chunk;
      break;
    }
    case 1: {
      GradientHeader gradient;
      gradient.update = reader.u64();
      gradient.gradient = reader.u32();
      gradient.offset = reader.u64();
      header = gradient;
      break;
    }
    default: throw Error(Code::bad_request, "a payload of an unknown kind");
  }
  const auto codec = reader.u8();
  if (codec > static_cast<std::uint8_t>(Codec::planes)) {
    throw Error(Code::bad_request, "a payload packed in an unknown way");
  }
  bulk.packing.codec = static_cast<Codec>(codec);
  bulk.packing.element = reader.u8();
  bulk.packing.bytes = reader.u32();
  reader.finish();
  return bulk;
}

Digest root_of(const Layout& layout, std::span<const Digest> chunks, const Digest& values) {
  WireWriter writer;
  writer.digest(layout.digest()).digest(values);
  for (const auto& chunk : chunks) writer.digest(chunk);
  return digest_of(writer.bytes());
}

}  // namespace cardswap::data
