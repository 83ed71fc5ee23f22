#include "agent/base/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/base/printable.h"

namespace cardswap::validate {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

bool is_line(std::string_view text, std::size_t most) {
  return text.size() <= most && printable(text) == text;
}

bool is_word(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_migration_id(std::string_view text) {
  return text.size() >= 10 && text.size() <= 34 && text.starts_with("m-") && is_hex(text.substr(2));
}

bool is_job_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && is_letter(text[0]) &&
         std::ranges::all_of(
             text, [&](char c) { return is_letter(c) || c == '.' || c == '_' || c == '-'; });
}

bool is_device_or_host(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:-[]%/").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= kWordMax && text[0] != '-' && text[0] != '.' &&
         std::ranges::all_of(text, allowed);
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

bool is_store(std::string_view text) {
  constexpr std::string_view kFile = "file:/";
  return text.starts_with(kFile) && text.size() > kFile.size() && is_line(text, kPathMax) &&
         text.find("/..") == std::string_view::npos;
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

}  // namespace cardswap::validate
