#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/base/fields_of.h"
#include "migrator/base/named.h"
#include "migrator/base/utf8.h"
#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/core/wire_reader.h"
#include "migrator/core/wire_writer.h"

/// Writes and reads messages by one list of their fields, so that both sides cannot disagree:
///
///     template <class Archive>
///     void fields(Archive& a, FieldsOf<Archive, Frozen>& m) { a(m.migration, m.step); }
///
/// The list stands in the namespace of the message, and is called with a FieldWriter and with a
/// FieldReader. If the struct is also written as JSON the fields have names, which FieldWriter and
/// FieldReader ignore; agent/base/json_archive.h calls the same list. Bounds are checked before
/// anything is allocated.
namespace cardswap::wire {

/// The limits of a format for its texts.
struct TextRule {
  /// The reader refuses a longer text. With `utf8` the writer cuts it.
  std::size_t bytes_max = 0;
  std::size_t brief_bytes_max = 0;  ///< for texts that only people read: cut when written
  bool utf8 = false;  ///< texts are UTF-8 without NUL: replaced when written, checked when read
};

/// Writes a message, field by field. Each named function below is the counterpart of that of
/// FieldReader. A double that is no number, or is 1e18 or more in size, is written as 0.
class FieldWriter {
 public:
  static constexpr bool kReads = false;

  FieldWriter(WireWriter& writer, TextRule rule) : writer_(writer), rule_(rule) {}

  template <class... Field>
  requires(!std::is_array_v<Field> && ...) void operator()(const Field&... field) {
    (put(field), ...);
  }
  template <class Field>
  void operator()(const char* /*name*/, const Field& field) {
    put(field);
  }
  template <class Field>
  void limit(const char* /*name*/, const Field& field, const char* /*older_name*/ = nullptr) {
    put(field);
  }
  template <class Field>
  void renamed(const char* /*name*/, const Field& field, const char* /*older_name*/) {
    put(field);
  }
  /// Writes an enumerator by its name, as JSON does.
  template <Named Enum>
  void named(const char* /*name*/, Enum value, const char* /*older_name*/ = nullptr) {
    text(std::string(to_string(value)));
  }
  template <class Field>
  void optional(const char* /*name*/, const Field& field) {
    put(field);
  }
  void brief(const std::string& value) { text(value.substr(0, rule_.brief_bytes_max)); }
  /// Writes the last field of a message, which a former release does not have, as brief() does; not
  /// if it is empty: then the former release can read the message.
  void brief_at_end(const std::string& value) {
    if (!value.empty()) brief(value);
  }
  void blob(const std::vector<std::byte>& value, std::size_t /*bytes_max*/) { writer_.blob(value); }
  template <class Item>
  void list(const std::vector<Item>& items, std::size_t /*most*/, std::size_t /*item_bytes*/) {
    items_of(items, items.size());
  }
  /// Writes a list that only people read: items beyond `most` are left out.
  template <class Item>
  void brief_list(const std::vector<Item>& items, std::size_t most) {
    items_of(items, std::min(items.size(), most));
  }

 private:
  template <class Item>
  void items_of(const std::vector<Item>& items, std::size_t count) {
    writer_.u32(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) put(items[i]);
  }
  /// Writes text. The output of a program may be cut anywhere and have any encoding, but the other
  /// side accepts only UTF-8.
  void text(std::string value) {
    if (rule_.utf8) {
      value = as_utf8(std::move(value));
      std::replace(value.begin(), value.end(), '\0', '?');
    }
    writer_.string(value);
  }

  void put(std::uint8_t value) { writer_.u8(value); }
  void put(std::uint16_t value) { writer_.u16(value); }
  void put(std::uint32_t value) { writer_.u32(value); }
  void put(std::uint64_t value) { writer_.u64(value); }
  void put(std::int64_t value) { writer_.i64(value); }
  void put(double value) { writer_.f64(std::abs(value) < 1e18 ? value : 0); }
  void put(bool value) { writer_.boolean(value); }
  void put(const Digest& value) { writer_.digest(value); }
  void put(ChunkId value) { writer_.u32(static_cast<std::uint32_t>(value)); }
  void put(const std::string& value) {
    // A text in UTF-8 is for people, and is cut. The other side must refuse any other too long
    // text.
    if (rule_.utf8 && value.size() > rule_.bytes_max) return text(value.substr(0, rule_.bytes_max));
    text(value);
  }
  template <class First, class Second>
  void put(const std::pair<First, Second>& value) {
    put(value.first);
    put(value.second);
  }
  template <Ranged Enum>
  void put(Enum value) {
    writer_.u8(static_cast<std::uint8_t>(value));
  }
  template <class Struct>
  requires requires(FieldWriter& a, const Struct& m) { fields(a, m); }
  void put(const Struct& value) { fields(*this, value); }

  WireWriter& writer_;
  const TextRule rule_;
};

/// Reads a message, field by field. Throws Error{bad_request} for bytes that no FieldWriter can
/// have written.
class FieldReader {
 public:
  static constexpr bool kReads = true;

  FieldReader(WireReader& reader, TextRule rule) : reader_(reader), rule_(rule) {}

  template <class... Field>
  requires(!std::is_array_v<Field> && ...) void operator()(Field&... field) { (take(field), ...); }
  template <class Field>
  void operator()(const char* /*name*/, Field& field) {
    take(field);
  }
  template <class Field>
  void limit(const char* /*name*/, Field& field, const char* /*older_name*/ = nullptr) {
    take(field);
  }
  template <class Field>
  void renamed(const char* /*name*/, Field& field, const char* /*older_name*/) {
    take(field);
  }
  template <Named Enum>
  void named(const char* name, Enum& value, const char* /*older_name*/ = nullptr) {
    const auto known = cardswap::named<Enum>(text(rule_.bytes_max));
    if (!known) throw Error(Code::bad_request, std::string(name) + " is not one of its names");
    value = *known;
  }
  template <class Field>
  void optional(const char* /*name*/, Field& field) {
    take(field);
  }
  void brief(std::string& value) { value = text(rule_.brief_bytes_max); }
  void brief_at_end(std::string& value) {
    if (!reader_.is_at_end()) brief(value);
  }
  void blob(std::vector<std::byte>& value, std::size_t bytes_max) {
    const auto bytes = reader_.blob(bytes_max);
    value.assign(bytes.begin(), bytes.end());
  }
  /// Reads a list of at most `most` items, each of at least `item_bytes` bytes (1 or more).
  template <class Item>
  void list(std::vector<Item>& items, std::size_t most, std::size_t item_bytes) {
    const auto count = reader_.count(item_bytes);
    if (count > most) throw Error(Code::bad_request, "a list is longer than allowed");
    items.resize(count);
    for (auto& item : items) take(item);
  }
  template <class Item>
  void brief_list(std::vector<Item>& items, std::size_t most) {
    list(items, most, 1);
  }

 private:
  /// Reads text. With TextRule::utf8 it may go into the journal and into JSON later, which can
  /// carry nothing else.
  std::string text(std::size_t bytes_max) {
    auto value = reader_.string(bytes_max);
    if (rule_.utf8 && (!is_utf8(value) || value.find('\0') != std::string::npos)) {
      throw Error(Code::bad_request, "a text field is no UTF-8 text");
    }
    return value;
  }

  void take(std::uint8_t& value) { value = reader_.u8(); }
  void take(std::uint16_t& value) { value = reader_.u16(); }
  void take(std::uint32_t& value) { value = reader_.u32(); }
  void take(std::uint64_t& value) { value = reader_.u64(); }
  void take(std::int64_t& value) { value = reader_.time_ns(); }  // all i64 fields are times
  void take(double& value) { value = reader_.f64(); }
  void take(bool& value) { value = reader_.boolean(); }
  void take(Digest& value) { value = reader_.digest(); }
  void take(ChunkId& value) { value = static_cast<ChunkId>(reader_.u32()); }
  void take(std::string& value) { value = text(rule_.bytes_max); }
  template <class First, class Second>
  void take(std::pair<First, Second>& value) {
    take(value.first);
    take(value.second);
  }
  template <Ranged Enum>
  void take(Enum& value) {
    const auto raw = reader_.u8();
    if (raw > static_cast<std::uint8_t>(last_of(Enum{}))) {
      throw Error(Code::bad_request, "an enumeration field is out of range");
    }
    value = static_cast<Enum>(raw);
  }
  template <class Struct>
  requires requires(FieldReader& a, Struct& m) { fields(a, m); }
  void take(Struct& value) { fields(*this, value); }

  WireReader& reader_;
  const TextRule rule_;
};

/// Writes the fields of the alternative that `message` holds.
template <class... Kind>
void put_fields(WireWriter& writer, TextRule rule, const std::variant<Kind...>& message) {
  FieldWriter put(writer, rule);
  std::visit([&](const auto& kind) { put(kind); }, message);
}

/// Reads the fields of the alternative at `index`. Throws Error{bad_request}; its text is `unknown`
/// if there is no such alternative.
template <class Variant, std::size_t Index = 0>
Variant read_fields(WireReader& reader, TextRule rule, std::size_t index, const char* unknown) {
  if constexpr (Index == std::variant_size_v<Variant>) {
    throw Error(Code::bad_request, unknown);
  } else {
    if (index != Index) return read_fields<Variant, Index + 1>(reader, rule, index, unknown);
    std::variant_alternative_t<Index, Variant> kind;
    FieldReader take(reader, rule);
    take(kind);
    return kind;
  }
}

/// Reads the alternative with the number `number`, which counts from 1, up to the end of the
/// message. Throws Error{bad_request} as read_fields(), and for trailing bytes.
template <class Variant>
Variant read_numbered(WireReader& reader, TextRule rule, std::size_t number, const char* unknown) {
  if (number == 0) throw Error(Code::bad_request, unknown);
  auto message = read_fields<Variant>(reader, rule, number - 1, unknown);
  reader.finish();
  return message;
}

}  // namespace cardswap::wire
