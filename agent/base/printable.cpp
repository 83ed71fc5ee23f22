#include "agent/base/printable.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

/// The character of two or three bytes at the start of `text` (UTF-8) if a terminal would obey it;
/// else 0. These are U+0080 to U+009F, which some terminals obey, and U+200E, U+200F, U+2028 to
/// U+202E and U+2066 to U+2069, which reorder or break a line.
unsigned obeyed(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) == 0xc2 && byte(1) < 0xa0) return byte(1);
  if (byte(0) != 0xe2) return 0;
  const auto point = 0x2000U | (byte(1) & 0x3fU) << 6U | (byte(2) & 0x3fU);
  const bool marks = point == 0x200e || point == 0x200f;
  const bool breaks = point >= 0x2028 && point <= 0x202e;
  const bool isolates = point >= 0x2066 && point <= 0x2069;
  return marks || breaks || isolates ? point : 0;
}

std::string written_out(std::string_view told, bool lines) {
  const auto text = as_utf8(std::string(told));
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (const auto point = obeyed(std::string_view(text).substr(i)); point != 0) {
      result += point < 0x100 ? fmt::format("\\x{:02x}", point) : fmt::format("\\u{:04x}", point);
      i += point < 0x100 ? 1 : 2;
    } else if (lines && (byte == '\n' || byte == '\t')) {
      result += text[i];
    } else if (byte == '\n' || byte == '\r' || byte == '\t') {
      result += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) { return written_out(text, false); }
std::string shown_lines(std::string_view text) { return written_out(text, true); }
std::string excerpt(std::string_view text, std::size_t bytes_max) {
  return printable(text.substr(0, bytes_max)) + (text.size() > bytes_max ? "..." : "");
}

std::string first_of(const std::vector<std::string>& all) {
  constexpr std::size_t kNamed = 16;
  const auto named = std::min(all.size(), kNamed);
  auto text = fmt::format("{}", fmt::join(std::span(all).first(named), ", "));
  if (all.size() > named) text += fmt::format(" and {} more", all.size() - named);
  return text;
}

}  // namespace cardswap
