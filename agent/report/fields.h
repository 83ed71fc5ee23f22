#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <string>

#include "agent/base/json_fields.h"
#include "agent/base/shown.h"

/// Fields of an answer that may lack them. What a terminal would obey is written out, and numbers
/// are of a size that can be reckoned with: an agent may tell anything.
namespace cardswap::report {

inline constexpr double kNumberMax = 9e15;  ///< whole numbers are exact below it

inline std::string text_at(const boost::json::object& from, std::string_view key) {
  return shown(cardswap::text_at(from, key));
}
inline std::optional<double> known_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return std::clamp(value->to_number<double>(), -kNumberMax, kNumberMax);
}
inline double number_at(const boost::json::object& from, std::string_view key) {
  return known_at(from, key).value_or(0);
}
inline std::uint64_t count_at(const boost::json::object& from, std::string_view key) {
  const auto value = number_at(from, key);
  return value > 0 && value < 1e18 ? static_cast<std::uint64_t>(value) : 0;
}

}  // namespace cardswap::report
