#include "agent/outside.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/utf8.h"

namespace cardswap::outside {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// U+0080 to U+009F, which some terminals obey; U+200E, U+200F, U+2028 to U+202E and U+2066 to
/// U+2069, which reorder or break a line. `text` is UTF-8.
bool has_hidden_controls(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (byte(i) == 0xc2 && byte(i + 1) < 0xa0) return true;
    if (byte(i) != 0xe2) continue;
    const auto last = byte(i + 2);
    if (byte(i + 1) == 0x80 && (last == 0x8e || last == 0x8f || (last >= 0xa8 && last <= 0xae))) {
      return true;
    }
    if (byte(i + 1) == 0x81 && last >= 0xa6 && last <= 0xa9) return true;
  }
  return false;
}

}  // namespace

bool is_line(std::string_view text, std::size_t most) {
  return text.size() <= most &&
         std::ranges::none_of(
             text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }) &&
         is_utf8(text) && !has_hidden_controls(text);
}

bool is_word(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_migration_id(std::string_view text) {
  return text.size() >= 10 && text.size() <= 34 && text.starts_with("m-") && is_hex(text.substr(2));
}

bool is_job_uid(std::string_view text) { return text.size() == 32 && is_hex(text); }

bool is_argument(std::string_view text) {
  return text.size() <= kArgumentMax && text.find('\0') == std::string_view::npos;
}

bool is_variable(std::string_view name) {
  return !name.empty() && is_argument(name) && name.find('=') == std::string_view::npos;
}

bool is_path(std::string_view text) {
  return text.size() <= kPathMax && text.find('\0') == std::string_view::npos;
}

void check(bool right, std::string_view what, std::string_view kind) {
  if (!right) throw Error(Code::bad_request, fmt::format("'{}' is no {}", what, kind));
}

std::string line(std::string_view what, std::string text, std::size_t most) {
  check(is_line(text, most), what, fmt::format("line of at most {} bytes of text", most));
  return text;
}

std::string word_or_none(std::string_view what, std::string text, std::size_t most) {
  check(text.empty() || is_word(text, most), what, "word");
  return text;
}

std::string migration_id(std::string_view what, std::string text) {
  check(is_migration_id(text), what, "id of a migration");
  return text;
}

std::string path_or_none(std::string_view what, std::string text) {
  check(is_path(text), what, "path");
  return text;
}

std::uint64_t count(std::string_view what, double number, std::uint64_t most) {
  // A NaN is neither.
  const bool right = number >= 0 && number <= static_cast<double>(most);
  check(right, what, fmt::format("number from 0 to {}", most));
  return static_cast<std::uint64_t>(number);
}

}  // namespace cardswap::outside
