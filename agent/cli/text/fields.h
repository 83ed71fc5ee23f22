#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "agent/base/printable_fields.h"
#include "agent/base/units.h"

/// Fields of an agent's answer as tables show them. Texts of other hosts are made printable.
namespace cardswap::cli {

/// The field as text, whatever its type is; `otherwise` if it is missing or null.
inline std::string text(const boost::json::object& from, std::string_view key,
                        std::string_view otherwise = "-") {
  const auto* value = value_at(from, key);
  if (value == nullptr) return std::string(otherwise);
  if (value->is_string()) return printable(value->get_string());
  return boost::json::serialize(*value);
}
/// A number of bytes, such as "11.4 MiB"; a missing field counts as 0.
inline std::string size(const boost::json::object& from, std::string_view key) {
  return format_size(count_at(from, key));
}
/// A duration in ms, such as "1.9 s"; a missing field counts as 0.
inline std::string ms(const boost::json::object& from, std::string_view key) {
  return format_ms(amount_at(from, key));
}

}  // namespace cardswap::cli
