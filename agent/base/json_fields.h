#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "migrator/base/error.h"

/// Reads fields of JSON that may be missing or have another type: records that another release
/// wrote, answers of agents, reports of programs. Functions throw only where they say so. Fields
/// that are required are read by ApiRequest (requests), strict_json.h (messages) and
/// handover/base/peer_answers.h (agents).
namespace cardswap {

/// The value of a field; a null pointer if it is missing or JSON null.
[[nodiscard]] inline const boost::json::value* value_at(const boost::json::object& from,
                                                        std::string_view key) {
  const auto* value = from.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

/// `key`; or `former`, what earlier releases called the field, if it has no value under `key`.
[[nodiscard]] inline std::string_view key_or_former(const boost::json::object& from,
                                                    std::string_view key, std::string_view former) {
  return value_at(from, key) != nullptr ? key : former;
}

/// Sets `out` if the field has a value of its type that fits; else leaves it unchanged and returns
/// false.
template <class T>
bool read_at(const boost::json::object& from, std::string_view key, T& out) {
  const auto* value = value_at(from, key);
  if (value == nullptr) return false;
  if constexpr (std::is_same_v<T, std::string>) {
    if (!value->is_string()) return false;
    out.assign(value->get_string().data(), value->get_string().size());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value->is_bool()) return false;
    out = value->get_bool();
  } else {
    static_assert(std::is_arithmetic_v<T>);
    if (!value->is_number()) return false;
    boost::system::error_code inexact;
    const auto number = value->to_number<T>(inexact);
    if (inexact) return false;
    out = number;
  }
  return true;
}

/// Sets `out` like read_at(), for records of the journal: throws Error{corrupt} for a number that
/// does not fit, so that the record is set aside instead of being guessed at.
template <class T>
bool read_recorded(const boost::json::object& from, std::string_view key, T& out) {
  if (read_at(from, key, out)) return true;
  const auto* value = value_at(from, key);
  if (std::is_arithmetic_v<T> && value != nullptr && value->is_number()) {
    throw Error(Code::corrupt, "the record's field '" + std::string(key) + "' is out of its range");
  }
  return false;
}

/// The text of a field; empty if it has none.
[[nodiscard]] inline std::string text_at(const boost::json::object& from, std::string_view key) {
  std::string text;
  read_at(from, key, text);
  return text;
}
/// The number of a field; 0 if it has none that T holds exactly.
template <class T = double>
[[nodiscard]] T number_at(const boost::json::object& from, std::string_view key) {
  T number = 0;
  read_at(from, key, number);
  return number;
}
/// The number of a field as read_recorded() reads it; 0 if it has none. Throws Error{corrupt}.
template <class T = double>
[[nodiscard]] T recorded_number(const boost::json::object& from, std::string_view key) {
  T number = 0;
  read_recorded(from, key, number);
  return number;
}
/// The flag of a field; false if it has none.
[[nodiscard]] inline bool flag_at(const boost::json::object& from, std::string_view key) {
  bool flag = false;
  read_at(from, key, flag);
  return flag;
}
/// The object of a field; an empty one if it has none. It refers into `from`.
[[nodiscard]] inline const boost::json::object& object_at(const boost::json::object& from,
                                                          std::string_view key) {
  static const boost::json::object kNone;
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : kNone;
}
[[nodiscard]] inline const boost::json::array& array_at(const boost::json::object& from,
                                                        std::string_view key) {
  static const boost::json::array kNone;
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kNone;
}
const boost::json::object& object_at(const boost::json::object&&, std::string_view) = delete;
const boost::json::array& array_at(const boost::json::object&&, std::string_view) = delete;

/// The text as JSON; JSON's null if it is empty.
[[nodiscard]] inline boost::json::value text_or_null(const std::string& text) {
  return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
}
template <class T>
[[nodiscard]] boost::json::value value_or_null(const std::optional<T>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

}  // namespace cardswap
