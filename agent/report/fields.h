#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

/// Fields of an answer that may lack them.
namespace cardswap::report {

inline std::string text_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}
inline std::optional<double> known_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}
inline double number_at(const boost::json::object& from, std::string_view key) {
  return known_at(from, key).value_or(0);
}
inline std::uint64_t count_at(const boost::json::object& from, std::string_view key) {
  const auto value = number_at(from, key);
  return value > 0 && value < 1e18 ? static_cast<std::uint64_t>(value) : 0;
}
inline boost::json::object object_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : boost::json::object();
}
inline boost::json::array array_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : boost::json::array();
}

}  // namespace cardswap::report
