#pragma once

#include <string_view>

/// Small steps of those who read a kernel message's text from its front. Pure.
namespace cardswap::health {

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Whether `text` began with `prefix`, which is taken off it then.
[[nodiscard]] inline bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace cardswap::health
