#include "runtime/memory_messages.h"

#include <utility>

#include "migrator/wire/archive.h"

namespace cardswap::memory_transfer {
namespace {

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kNameBytesMax = 32;
constexpr std::size_t kArenaBytesMin = sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t);

constexpr wire::TextRule kTexts{kTextBytesMax, kTextBytesMax, false};
constexpr auto kUnknown = "unknown message number on a holder's socket";

void check(const std::vector<ArenaOutline>& arenas) {
  std::size_t pieces = 0;
  for (const auto& arena : arenas) {
    if (arena.device.size() > kNameBytesMax) {
      throw Error(Code::bad_request, "a field is longer than allowed");
    }
    pieces += arena.bytes.size();
  }
  if (pieces > kPiecesMax) throw Error(Code::bad_request, "more pieces than arenas have");
}

template <class Archive>
void arenas(Archive& a, FieldsOf<Archive, std::vector<ArenaOutline>>& m) {
  a.list(m, kArenasMax, kArenaBytesMin);
  if constexpr (Archive::kReads) check(m);
}

}  // namespace

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ArenaOutline>& m) {
  a(m.device, m.base);
  a.list(m.bytes, kPiecesMax, sizeof(std::uint64_t));
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Keep>& m) {
  arenas(a, m.arenas);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Kept>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Fetch>& m) {
  a(m.migration, m.token);
}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Memory>& m) {
  arenas(a, m.arenas);
  a(m.state_digest, m.step, m.last_step_end_ns, m.clock_error_ns, m.now_ns);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Done>&) {}
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, Refused>& m) {
  a(m.code);
  a.brief(m.failure);
  a.brief(m.hint);
}
template <class Archive>
void fields(Archive&, FieldsOf<Archive, Files>&) {}

std::vector<std::byte> encode(const Message& message) {
  wire::WireWriter writer;
  writer.u8(static_cast<std::uint8_t>(message.index() + 1));
  wire::put_fields(writer, kTexts, message);
  return std::move(writer).take();
}

Message decode(std::span<const std::byte> packet) {
  wire::WireReader reader(packet);
  const std::size_t number = reader.u8();
  return wire::read_numbered<Message>(reader, kTexts, number, kUnknown);
}

}  // namespace cardswap::memory_transfer
