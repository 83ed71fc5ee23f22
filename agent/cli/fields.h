#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "agent/base/json_fields.h"
#include "agent/base/shown.h"
#include "agent/base/units.h"

/// Fields of an agent's answer as a terminal shows them: nothing in them can steer it.
namespace cardswap::cli {

/// Empty for what is no text.
inline std::string shown_at(const boost::json::object& from, std::string_view key) {
  return shown(text_at(from, key));
}
/// As a table shows it, of whatever type it is.
inline std::string text(const boost::json::object& from, std::string_view key,
                        std::string_view otherwise = "-") {
  const auto* value = value_at(from, key);
  if (value == nullptr) return std::string(otherwise);
  if (value->is_string()) return shown(value->get_string());
  return boost::json::serialize(*value);
}
inline std::string size(const boost::json::object& from, std::string_view key) {
  const auto bytes = number_at(from, key);  // rates are no whole numbers
  return format_size(bytes > 0 && bytes < 1e18 ? static_cast<std::uint64_t>(bytes) : 0);
}
inline std::string ms(const boost::json::object& from, std::string_view key) {
  return format_ms(std::clamp(number_at(from, key), -9e15, 9e15));
}

}  // namespace cardswap::cli
