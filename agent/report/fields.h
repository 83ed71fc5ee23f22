#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "agent/base/json_fields.h"

/// Fields of an answer that may lack them.
namespace cardswap::report {

inline std::optional<double> known_at(const boost::json::object& from, std::string_view key) {
  const auto* value = from.if_contains(key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}
inline std::uint64_t count_at(const boost::json::object& from, std::string_view key) {
  const auto value = number_at(from, key);
  return value > 0 && value < 1e18 ? static_cast<std::uint64_t>(value) : 0;
}

}  // namespace cardswap::report
