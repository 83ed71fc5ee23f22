#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/json_fields.h"
#include "agent/base/printable.h"

/// Reads fields of an agent's answer for people. Any field may be missing or hostile: texts are
/// made safe for a terminal, and numbers are bounded so that sums of them do not overflow.
namespace cardswap {

inline constexpr double kAmountMax = 9e15;  ///< whole numbers are exact below it

/// The text of a field by printable(); empty where it has none.
[[nodiscard]] inline std::string printable_at(const boost::json::object& from,
                                              std::string_view key) {
  return printable(text_at(from, key));
}
/// The number of a field, bounded to +-kAmountMax; nullopt where it has none.
[[nodiscard]] inline std::optional<double> known_amount_at(const boost::json::object& from,
                                                           std::string_view key) {
  double number = 0;
  if (!read_at(from, key, number)) return std::nullopt;
  return std::clamp(number, -kAmountMax, kAmountMax);
}
/// The number of a field by known_amount_at(); 0 where it has none.
[[nodiscard]] inline double amount_at(const boost::json::object& from, std::string_view key) {
  return known_amount_at(from, key).value_or(0);
}
/// The number of a field as a whole number: fractions are cut off; 0 for a negative or missing one.
[[nodiscard]] inline std::uint64_t count_at(const boost::json::object& from, std::string_view key) {
  return static_cast<std::uint64_t>(std::max(0.0, amount_at(from, key)));
}

}  // namespace cardswap
