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
/// The members of an object, by the bytes of their names.
using JsonObject = std::vector<JsonMember>;

/// JSON of which equal values have equal bytes, so that these can be hashed: names in the order of
/// their bytes, no blanks, whole numbers as they are, others as the shortest digits that give the
/// same double back. Only what a snapshot needs; the agent's API speaks Boost's.
class Json {
 public:
  using Value = std::variant<std::nullptr_t, bool, std::uint64_t, std::int64_t, double, std::string,
                             JsonArray, JsonObject>;

  Json() : value_(nullptr) {}
  Json(bool value) : value_(value) {}           // NOLINT: values become JSON
  Json(std::uint64_t value) : value_(value) {}  // NOLINT
  Json(std::int64_t value);                     // NOLINT: one that is not negative is unsigned
  Json(double value);                           // NOLINT: NaN and infinities become text
  Json(std::string value) : value_(std::move(value)) {}    // NOLINT
  Json(const char* value) : value_(std::string(value)) {}  // NOLINT
  Json(JsonArray value) : value_(std::move(value)) {}      // NOLINT
  Json(JsonObject value) : value_(std::move(value)) {}     // NOLINT

  [[nodiscard]] const Value& value() const { return value_; }

  // ---- reading: each throws Error{corrupt} where it is something else
  /// The member of that name; null JSON where the object has none.
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

/// The canonical bytes. Sorts objects itself. Throws Error{bad_request} for text that is no UTF-8
/// and for a name that comes twice.
[[nodiscard]] std::vector<std::byte> canonical_bytes(const Json& json);
/// Reads what canonical_bytes() makes and nothing else, of `values_most` values at most. Throws
/// Error{corrupt}.
[[nodiscard]] Json read_canonical(std::span<const std::byte> bytes, std::size_t values_most);

}  // namespace cardswap::store
