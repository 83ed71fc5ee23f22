#pragma once

#include <boost/json.hpp>
#include <string_view>
#include <type_traits>

#include "agent/base/json_fields.h"
#include "agent/base/validate.h"
#include "migrator/base/named.h"

namespace cardswap {

/// Reads a struct from the JSON of another agent by its list of fields, as JsonFieldWriter
/// (agent/base/json_archive.h) wrote it. For messages that decide something: nothing is guessed.
/// Throws Error{bad_request} that names the field, and does not repeat its value, for a field that
/// is missing or has no value of its type. An unknown field is ignored.
class StrictJsonReader {
 public:
  static constexpr bool kReads = true;

  explicit StrictJsonReader(const boost::json::object& from) : from_(from) {}

  template <class Field>
  void operator()(const char* name, Field& field) {
    if constexpr (Named<Field>) {
      const auto value = cardswap::named<Field>(text_at(from_, name));
      validate::check(value.has_value(), name, "known name");
      field = *value;
    } else {
      validate::check(read_at(from_, name, field), name, kind_of<Field>());
    }
  }

 private:
  template <class Field>
  static constexpr std::string_view kind_of() {
    if constexpr (std::is_same_v<Field, bool>) {
      return "true or false";
    } else if constexpr (std::is_arithmetic_v<Field>) {
      return "number of its range";
    } else {
      return "text";
    }
  }

  const boost::json::object& from_;
};

}  // namespace cardswap
