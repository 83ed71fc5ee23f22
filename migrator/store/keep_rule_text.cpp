#include "migrator/store/keep_rule_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap::store {
namespace {

constexpr std::uint32_t kAll = std::numeric_limits<std::uint32_t>::max();

using Member = std::uint32_t KeepRule::*;
constexpr std::array<std::pair<std::string_view, Member>, 3> kParts{
    {{"last", &KeepRule::last}, {"hourly", &KeepRule::hourly}, {"daily", &KeepRule::daily}}};

[[noreturn]] void refuse_rule(std::string_view text) {
  throw Error(Code::bad_request, fmt::format("'{}' does not say what to keep", text),
              "write it like last=5,hourly=24,daily=14, or all");
}

std::optional<std::uint32_t> count_in(std::string_view text) {
  std::uint32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return count;
}

}  // namespace

KeepRule keep_rule_from(std::string_view text) {
  KeepRule rule{0, 0, 0};
  if (text == "all") {
    rule.last = kAll;
    return rule;
  }
  std::array<bool, kParts.size()> is_given{};
  auto left = text;
  while (!left.empty()) {
    const auto part = left.substr(0, left.find(','));
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) refuse_rule(text);
    const auto count = count_in(part.substr(equals + 1));
    bool is_known = false;
    for (std::size_t i = 0; i < kParts.size(); ++i) {
      if (kParts.at(i).first != part.substr(0, equals)) continue;
      if (!count || std::exchange(is_given.at(i), true)) refuse_rule(text);
      rule.*(kParts.at(i).second) = *count;
      is_known = true;
    }
    if (!is_known) refuse_rule(text);
    left.remove_prefix(part.size());
    if (left.empty()) break;
    left.remove_prefix(1);
    if (left.empty()) refuse_rule(text);  // a comma at the end
  }
  if (rule.last == 0 && rule.hourly == 0 && rule.daily == 0) refuse_rule(text);
  return rule;
}

std::string to_string(const KeepRule& rule) {
  if (rule.last == kAll) return "all";
  std::string text;
  for (const auto& [name, member] : kParts) {
    if (rule.*member == 0) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, rule.*member);
  }
  return text;
}

}  // namespace cardswap::store
