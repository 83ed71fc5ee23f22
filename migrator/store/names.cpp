#include "migrator/store/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "migrator/base/error.h"

namespace cardswap::store {
namespace {

constexpr std::size_t kNumberDigits = 20;
constexpr std::size_t kLabelMax = 63;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::string fanned(const char* prefix, const ObjectId& id, const char* suffix) {
  const auto text = to_string(id);
  return fmt::format("{}{}/{}{}", prefix, text.substr(0, 2), text, suffix);
}

std::string checked(std::string_view label) {
  if (!is_label(label)) {
    throw Error(Code::bad_request,
                fmt::format("'{}' is not a name in a store", label.substr(0, 80)));
  }
  return std::string(label);
}

}  // namespace

std::string pack_name(const ObjectId& id) { return fanned(kPacks, id, ".pack"); }
std::string node_name(const ObjectId& id) { return fanned(kNodes, id, ""); }
std::string manifest_name(const ObjectId& id) { return fanned(kManifests, id, ".json"); }

std::optional<ObjectId> id_in_name(std::string_view name) {
  const auto slash = name.rfind('/');
  if (slash == std::string_view::npos || name.size() < slash + 65) return std::nullopt;
  try {
    const auto id = object_id_from(name.substr(slash + 1, 64));
    if (name == pack_name(id) || name == node_name(id) || name == manifest_name(id)) return id;
  } catch (const Error&) {
    return std::nullopt;
  }
  return std::nullopt;
}

std::string refs_prefix(std::string_view job) {
  return fmt::format("{}{}/refs/", kJobs, checked(job));
}
std::string ref_name(std::string_view job, std::uint64_t number) {
  return fmt::format("{}{:020}", refs_prefix(job), number);
}

std::optional<std::uint64_t> number_in_name(std::string_view name) {
  const auto digits = name.substr(name.rfind('/') + 1);
  std::uint64_t number = 0;
  if (digits.size() != kNumberDigits) return std::nullopt;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::string tags_prefix(std::string_view job) {
  return fmt::format("{}{}/tags/", kJobs, checked(job));
}
std::string tag_prefix(std::string_view job, std::string_view tag) {
  return fmt::format("{}{}/", tags_prefix(job), checked(tag));
}
std::string tag_name(std::string_view job, std::string_view tag, std::uint64_t revision) {
  return fmt::format("{}{:020}", tag_prefix(job, tag), revision);
}
std::string intents_prefix(std::string_view job) {
  return fmt::format("{}{}/intents/", kJobs, checked(job));
}
std::string intent_name(std::string_view job, std::string_view owner) {
  return intents_prefix(job) + checked(owner);
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= kLabelMax && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace cardswap::store
