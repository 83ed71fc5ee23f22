#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

/// Helpers that read a text from its front and remove what they have read. Pure.
namespace cardswap::health {

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Removes `prefix` if `text` begins with it; false: it does not.
inline bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
/// Removes the number with which `text` begins and returns it; nothing: it begins with none.
template <class Number>
[[nodiscard]] std::optional<Number> take_number(std::string_view& text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}
/// Removes all characters of `what` at the front.
inline void skip(std::string_view& text, std::string_view what = " \t") {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
}

}  // namespace cardswap::health
