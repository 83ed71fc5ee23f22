#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "agent/base/shown.h"
#include "agent/base/units.h"

/// Fields of the agent's answers, which may lack them or hold something else.
namespace cardswap::cli {

/// Null where there is none, or null.
inline const boost::json::value* at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}
/// Empty for what is no text.
inline std::string text_at(const boost::json::object& from, std::string_view key) {
  const auto* value = at(from, key);
  return value != nullptr && value->is_string() ? shown(value->get_string()) : std::string();
}
/// As a table shows it, of whatever type it is.
inline std::string text(const boost::json::object& from, std::string_view key,
                        std::string_view otherwise = "-") {
  const auto* value = at(from, key);
  if (value == nullptr) return std::string(otherwise);
  if (value->is_string()) return shown(value->get_string());
  return boost::json::serialize(*value);
}
inline double number(const boost::json::object& from, std::string_view key) {
  const auto* value = at(from, key);
  return value != nullptr && value->is_number() ? value->to_number<double>() : 0;
}
inline bool flag(const boost::json::object& from, std::string_view key) {
  const auto* value = at(from, key);
  return value != nullptr && value->is_bool() && value->get_bool();
}
inline std::string size(const boost::json::object& from, std::string_view key) {
  return format_size(static_cast<std::uint64_t>(number(from, key)));
}
inline std::string ms(const boost::json::object& from, std::string_view key) {
  return format_ms(number(from, key));
}
inline boost::json::object object(const boost::json::object& from, std::string_view key) {
  const auto* value = at(from, key);
  return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
}
inline boost::json::array array(const boost::json::object& from, std::string_view key) {
  const auto* value = at(from, key);
  return value != nullptr && value->is_array() ? value->get_array() : boost::json::array();
}

}  // namespace cardswap::cli
