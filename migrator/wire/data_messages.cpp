#include "migrator/wire/data_messages.h"

#include <utility>

#include "migrator/wire/archive.h"

namespace cardswap {

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Region>& m) {
  a(m.name, m.dtype, m.shape, m.bytes, m.address);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Factor>& m) {
  a(m.kind);
  if (m.kind != FactorKind::none) a(m.value, m.product);
}

}  // namespace cardswap

namespace cardswap::data {
namespace {

constexpr std::size_t kTextBytesMax = 64U << 10;
constexpr std::size_t kRegionBytesMin = 3 * sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);
constexpr std::size_t kChunkDigestBytesMin = sizeof(std::uint32_t) + sizeof(Digest);
constexpr std::size_t kGradientBytesMin = sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);
constexpr std::size_t kNoteBytesMin = sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::size_t kItemsMax = UINT32_MAX;  // no more than the message holds
constexpr std::uint64_t kStateBytesMax = 1ULL << 50;

constexpr wire::TextRule kTexts{kTextBytesMax, kTextBytesMax, false};
constexpr auto kUnknown = "unknown message number on the data link";

void check(const std::vector<Region>& regions) {
  std::uint64_t total = 0;
  for (const auto& region : regions) {
    if (region.bytes > kStateBytesMax - total) {
      throw Error(Code::bad_request, "a layout of over a pebibyte");
    }
    total += region.bytes;
    if (region.address > UINT64_MAX - region.bytes) {
      throw Error(Code::bad_request, "a region past the end of memory");
    }
  }
}

void check_version(std::uint32_t magic, std::uint32_t version) {
  if (magic != kMagic) throw Error(Code::bad_request, "the peer is no Cardswap source");
  if (version != kVersion) {
    throw Error(Code::protocol_mismatch, "the source speaks another data-plane version",
                "run the same Cardswap release on both hosts");
  }
}

template <class Archive>
void layout(Archive& a, FieldsOf<Archive, Layout>& m) {
  if constexpr (Archive::kReads) {
    std::vector<Region> regions;
    a.list(regions, kRegionsMax, kRegionBytesMin);
    check(regions);
    m = Layout(std::move(regions));
  } else {
    a.list(m.regions(), kRegionsMax, kRegionBytesMin);
  }
}
/// Checks the beginning of a source's first messages; a message of another version is not read
/// further.
template <class Archive, class First>
void head(Archive& a, First& m) {
  a(m.magic, m.version);
  if constexpr (Archive::kReads) check_version(m.magic, m.version);
  a(m.migration, m.token);
}

}  // namespace

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Authenticate>& m) {
  head(a, m);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, LayoutOffered>& m) {
  head(a, m);
  a(m.chunk_bytes, m.want_digests);
  layout(a, m.layout);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, LayoutReplaced>& m) {
  a(m.want_digests);
  layout(a, m.layout);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, LayoutAmended>& m) {
  a(m.updates, m.base_chunks);
  layout(a, m.layout);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RoundEnd>& m) {
  a(m.round, m.chunks, m.final, m.updates);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Ping>& m) {
  a(m.sent_ns);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, FreezeBegin>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Note>& m) {
  a(m.name, m.bits);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Values>& m) {
  a(m.step, m.last_step_end_ns, m.clock_error_ns);
  a.blob(m.values, kValuesFieldBytesMax);
  a.list(m.notes, kNotesMax, kNoteBytesMin);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Equal>& m) {
  a(m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Abort>& m) {
  a(m.reason);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Accept>& m) {
  a(m.chunks, m.multiplies);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Refused>& m) {
  a(m.code);
  a.brief(m.failure);
  a.brief(m.hint);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ChunkDigests>& m) {
  a(m.round, m.final, m.values);
  a.list(m.chunks, kItemsMax, kChunkDigestBytesMin);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Pong>& m) {
  a(m.sent_ns, m.target_ns);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Confirmed>& m) {
  a(m.state_digest);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Update::GradientSize>& m) {
  a(m.parameter, m.bytes, m.early);
  if (m.early != 0) a(m.factor);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, EarlyGradient>& m) {
  a(m.number, m.parameter, m.bytes);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, EarlyDropped>& m) {
  a(m.number, m.bytes);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Update>& m) {
  a(m.number, m.step, m.audit, m.optimizer, m.base_chunks);
  a.blob(m.options, kValuesFieldBytesMax);
  a.list(m.gradients, kItemsMax, kGradientBytesMin);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Replayed>& m) {
  a(m.number, m.replay_ms);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Audited>& m) {
  a(m.number);
  a.list(m.chunks, kItemsMax, sizeof(Digest));
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Rehearse>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Rehearsed>& m) {
  a.blob(m.values, kValuesFieldBytesMax);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ReadChunk>& m) {
  a(m.chunk, m.bytes);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ChunkBytes>& m) {
  a(m.chunk);
  a.blob(m.bytes, kShownBytesMax);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ChunkHeader>& m) {
  a(m.chunk, m.round);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, GradientHeader>& m) {
  a(m.update, m.gradient, m.offset);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, EarlyHeader>& m) {
  a(m.number, m.offset);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, PayloadEncoding>& m) {
  a(m.codec, m.element_bytes, m.bytes);
}

std::vector<std::byte> encode(const Message& message) {
  wire::WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));
  wire::put_fields(writer, kTexts, message);
  return std::move(writer).take();
}

Message decode(std::span<const std::byte> bytes) {
  wire::WireReader reader(bytes);
  const std::size_t number = reader.u8();
  return wire::read_numbered<Message>(reader, kTexts, number, kUnknown);
}

std::vector<std::byte> encode(const PayloadHeader& header, const PayloadEncoding& encoding) {
  wire::WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(header.index()));
  wire::put_fields(writer, kTexts, header);
  wire::FieldWriter(writer, kTexts)(encoding);
  return std::move(writer).take();
}

DescribedPayload decode_payload_header(std::span<const std::byte> bytes) {
  wire::WireReader reader(bytes);
  DescribedPayload payload;
  const std::size_t kind = reader.u8();
  payload.what =
      wire::read_fields<PayloadHeader>(reader, kTexts, kind, "a payload of an unknown kind");
  wire::FieldReader(reader, kTexts)(payload.encoding);
  reader.finish();
  return payload;
}

Digest state_digest_of(const Layout& layout, std::span<const Digest> chunks, const Digest& values) {
  wire::WireWriter writer;
  writer.digest(layout.digest()).digest(values);
  for (const auto& chunk : chunks) writer.digest(chunk);
  return digest_of(writer.bytes());
}

}  // namespace cardswap::data
