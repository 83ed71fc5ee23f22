#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

/// Small steps of those who read a kernel message's text from its front. Pure.
namespace cardswap::health {

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Whether `text` began with `prefix`, which is taken off it then.
inline bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}
/// The number that `text` begins with, which is taken off it then.
template <class Number>
[[nodiscard]] std::optional<Number> take_number(std::string_view& text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}
/// Takes off every character at the front that is one of `what`.
inline void skip(std::string_view& text, std::string_view what = " \t") {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
}

}  // namespace cardswap::health
