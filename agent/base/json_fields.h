#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "migrator/base/error.h"

/// Fields of JSON that may lack them or hold something else: records of our own that another
/// release wrote, answers of agents, what programs say. Only what is said to throws. What has to be
/// there and to be right is read by ApiRequest (requests) and base/peer_answers.h (other agents).
namespace cardswap {

/// The value of a field; null where there is none, or null.
[[nodiscard]] inline const boost::json::value* value_at(const boost::json::object& from,
                                                        std::string_view key) {
  const auto* value = from.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

/// Sets `out` where there is a value of its type that fits in it; else leaves it as it is.
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

/// Sets `out` in the same way from the journal, whose records are put aside rather than guessed at:
/// a number that does not fit throws Error{corrupt}.
template <class T>
bool read_recorded(const boost::json::object& from, std::string_view key, T& out) {
  if (read_at(from, key, out)) return true;
  const auto* value = value_at(from, key);
  if (std::is_arithmetic_v<T> && value != nullptr && value->is_number()) {
    throw Error(Code::corrupt, "the record's field '" + std::string(key) + "' is out of its range");
  }
  return false;
}

/// The text of a field; empty where there is none.
[[nodiscard]] inline std::string text_at(const boost::json::object& from, std::string_view key) {
  std::string text;
  read_at(from, key, text);
  return text;
}
/// The number of a field; 0 where there is none that T holds exactly.
template <class T = double>
[[nodiscard]] T number_at(const boost::json::object& from, std::string_view key) {
  T number = 0;
  read_at(from, key, number);
  return number;
}
template <class T = double>
[[nodiscard]] T recorded_number(const boost::json::object& from, std::string_view key) {
  T number = 0;
  read_recorded(from, key, number);
  return number;
}
/// The flag of a field; false where there is neither.
[[nodiscard]] inline bool flag_at(const boost::json::object& from, std::string_view key) {
  bool flag = false;
  read_at(from, key, flag);
  return flag;
}
/// The object of a field; empty where there is none. It is a part of `from`, which must outlive it.
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

/// The text, or null where it is empty: so is what has nothing to say in answers.
[[nodiscard]] inline boost::json::value text_or_null(const std::string& text) {
  return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
}
template <class T>
[[nodiscard]] boost::json::value value_or_null(const std::optional<T>& value) {
  return value ? boost::json::value(*value) : boost::json::value(nullptr);
}

}  // namespace cardswap
