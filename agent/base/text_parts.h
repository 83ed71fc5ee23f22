#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

/// Parts of text that the kernel, a tool or a process of ours wrote. Pure.
namespace cardswap {

/// The text without the spaces, tabs and ends of lines around it.
[[nodiscard]] inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// The whole number that all of `text` is, if it is one that fits.
template <class Number>
[[nodiscard]] std::optional<Number> number_in(std::string_view text, int base = 10) {
  Number value{};
  const auto* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value, base);
  if (error != std::errc{} || end != last) return std::nullopt;
  return value;
}

}  // namespace cardswap
