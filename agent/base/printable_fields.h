#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/json_fields.h"
#include "agent/base/printable.h"

/// Fields of an agent's answer for people. Any of them may be missing, and an agent may tell
/// anything: nothing in a text can steer a terminal, and numbers can be reckoned with.
namespace cardswap {

inline constexpr double kAmountMax = 9e15;  ///< whole numbers are exact below it

/// The text of a field; empty for what is no text.
[[nodiscard]] inline std::string printable_at(const boost::json::object& from,
                                              std::string_view key) {
  return printable(text_at(from, key));
}
/// The number of a field, within kAmountMax either way; nothing where there is none.
[[nodiscard]] inline std::optional<double> known_amount_at(const boost::json::object& from,
                                                           std::string_view key) {
  double number = 0;
  if (!read_at(from, key, number)) return std::nullopt;
  return std::clamp(number, -kAmountMax, kAmountMax);
}
/// The number of a field, as known_amount_at() has it; 0 where there is none.
[[nodiscard]] inline double amount_at(const boost::json::object& from, std::string_view key) {
  return known_amount_at(from, key).value_or(0);
}
/// A number of things or bytes, which a rate need not be a whole one of; 0 for less than one.
[[nodiscard]] inline std::uint64_t count_at(const boost::json::object& from, std::string_view key) {
  return static_cast<std::uint64_t>(std::max(0.0, amount_at(from, key)));
}

}  // namespace cardswap
