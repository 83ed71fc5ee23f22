#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <type_traits>

#include "agent/base/json_fields.h"
#include "migrator/base/fields_of.h"
#include "migrator/base/named.h"

/// Writes a struct as JSON and reads it back by its one list of fields, which also gives its bytes
/// on the wire (migrator/wire/archive.h). Enumerations are written by name.
namespace cardswap {

/// Whether a field is an optional enumeration.
template <class Field>
inline constexpr bool kIsNameOrNone = false;
template <Named Enum>
inline constexpr bool kIsNameOrNone<std::optional<Enum>> = true;

/// Writes a struct as JSON, field by field.
class JsonFieldWriter {
 public:
  static constexpr bool kReads = false;

  explicit JsonFieldWriter(boost::json::object& to) : to_(to) {}

  template <class Field>
  void operator()(const char* name, const Field& field) {
    to_[name] = value_of(field);
  }
  /// Writes a field under both names: readers of older releases know only the older one.
  template <class Field>
  void renamed(const char* name, const Field& field, const char* older_name) {
    (*this)(name, field);
    (*this)(older_name, field);
  }
  /// Writes a text; null if it is empty.
  template <class Field>
  void optional(const char* name, const Field& field) {
    known(name, field);
  }
  /// Writes a limit, under both names if it has an older one.
  template <class Field>
  void limit(const char* name, const Field& field, const char* older_name = nullptr) {
    (*this)(name, field);
    if (older_name != nullptr) (*this)(older_name, field);
  }
  /// Writes an enumerator's name, under both names if the field has an older one.
  template <Named Enum>
  void named(const char* name, Enum value, const char* older_name = nullptr) {
    limit(name, value, older_name);
  }
  /// Writes a field; null in JSON unless `is_known`.
  template <class Field>
  void known(const char* name, const Field& field, bool is_known) {
    to_[name] = is_known ? value_of(field) : boost::json::value(nullptr);
  }
  template <class Field>
  void known(const char* name, const Field& field) {
    known(name, field, field != Field{});
  }

 private:
  template <class Field>
  static boost::json::value value_of(const Field& field) {
    if constexpr (Named<Field>) {
      return boost::json::value(to_string(field));
    } else if constexpr (kIsNameOrNone<Field>) {
      return field ? boost::json::value(to_string(*field)) : boost::json::value(nullptr);
    } else {
      return boost::json::value(field);
    }
  }

  boost::json::object& to_;
};

/// What to do with a number that does not fit in its field.
enum class OutOfRange { corrupt, ignored };

/// Reads a struct from JSON, field by field. A field that is missing, null or of another type keeps
/// its value.
class JsonFieldReader {
 public:
  static constexpr bool kReads = true;

  /// `odd`: whether a number that does not fit throws Error{corrupt} or is ignored.
  explicit JsonFieldReader(const boost::json::object& from, OutOfRange odd = OutOfRange::corrupt)
      : from_(from), odd_(odd) {}

  template <class Field>
  void operator()(const char* name, Field& field) {
    if constexpr (Named<Field>) {
      if (const auto value = cardswap::named<Field>(text_at(from_, name))) field = *value;
    } else if constexpr (kIsNameOrNone<Field>) {
      using Name = typename Field::value_type;
      if (const auto value = cardswap::named<Name>(text_at(from_, name))) field = value;
    } else {
      if (odd_ == OutOfRange::ignored) {
        read_at(from_, name, field);
      } else {
        read_recorded(from_, name, field);
      }
    }
  }
  /// Reads a field under its name, or, if that is missing, under its older name.
  template <class Field>
  void renamed(const char* name, Field& field, const char* older_name) {
    (*this)(from_.contains(name) ? name : older_name, field);
  }
  template <class Field>
  void limit(const char* name, Field& field, const char* older_name = nullptr) {
    renamed(name, field, older_name != nullptr ? older_name : name);
  }
  template <Named Enum>
  void named(const char* name, Enum& field, const char* older_name = nullptr) {
    const auto* under = older_name != nullptr && !from_.contains(name) ? older_name : name;
    const auto* value = from_.if_contains(under);
    if (value == nullptr || !value->is_string()) return;  // an enumerator's name may be empty
    if (const auto known = cardswap::named<Enum>(text_at(from_, under))) field = *known;
  }
  template <class Field>
  void known(const char* name, Field& field, bool /*is_known*/ = true) {
    (*this)(name, field);
  }
  template <class Field>
  void optional(const char* name, Field& field) {
    (*this)(name, field);
  }

 private:
  const boost::json::object& from_;
  const OutOfRange odd_;
};

template <class Struct>
void put_fields(boost::json::object& to, const Struct& from) {
  JsonFieldWriter out(to);
  fields(out, from);
}
template <class Struct>
void read_fields(const boost::json::object& from, Struct& to) {
  JsonFieldReader in(from);
  fields(in, to);
}

}  // namespace cardswap
