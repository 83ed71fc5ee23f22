#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cardswap::store {

class Json;
struct JsonMember;
using JsonArray = std::vector<Json>;
/// The members of an object. read_canonical() gives them in the order of the bytes of their names.
using JsonObject = std::vector<JsonMember>;

/// A JSON value. Equal values have equal canonical bytes, so that these can be hashed: names in the
/// order of their bytes, no blanks, integers as they are, other numbers with the fewest digits that
/// give the same double. It has only what a snapshot needs; the agent's API uses Boost.JSON.
class Json {
 public:
  using Value = std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string,
                             JsonArray, JsonObject>;

  Json() : value_(nullptr) {}
  Json(bool value) : value_(value) {}           // NOLINT: values become JSON
  Json(std::uint64_t value) : value_(value) {}  // NOLINT
  Json(std::int64_t value);                     // NOLINT: stored as unsigned if not negative
  Json(double value);                           // NOLINT: NaN and infinities become text
  Json(std::string value) : value_(std::move(value)) {}    // NOLINT
  Json(const char* value) : value_(std::string(value)) {}  // NOLINT
  Json(JsonArray value) : value_(std::move(value)) {}      // NOLINT
  Json(JsonObject value) : value_(std::move(value)) {}     // NOLINT

  [[nodiscard]] const Value& value() const { return value_; }

  // ---- reading: each throws Error{corrupt} if the value has another type or range
  /// The member of that name; null if the object has no such member.
  [[nodiscard]] const Json& at(std::string_view name) const;
  [[nodiscard]] bool is_null() const { return value_.index() == 0; }
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] std::int64_t signed_number() const;
  [[nodiscard]] double real() const;
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] const JsonArray& array() const;
  [[nodiscard]] const JsonObject& object() const;

 private:
  Value value_;
};

/// A member of an object.
struct JsonMember {
  std::string name;
  Json value;
};

/// The canonical bytes; sorts the members of objects. Throws Error{bad_request} for a text that is
/// not UTF-8 and for an object with two members of one name.
[[nodiscard]] std::vector<std::byte> canonical_bytes(const Json& json);
/// Reads the bytes of canonical_bytes(). Throws Error{corrupt} for any other bytes, and for more
/// than `values_most` values.
[[nodiscard]] Json read_canonical(std::span<const std::byte> bytes, std::size_t values_most);

}  // namespace cardswap::store
