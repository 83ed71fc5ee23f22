#pragma once

#include <algorithm>
#include <string_view>

namespace cardswap {

/// What stands before a file's name in the name of the tracked thing that has the file's bytes as
/// its value: "attached config.json".
inline constexpr std::string_view kAttached = "attached ";

/// Whether a file of this name may be attached to a job, and then be written by an export: letters,
/// digits, '.', '_' and '-', of which the first is a letter or a digit; 100 bytes at most.
[[nodiscard]] inline bool is_attachable_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const auto may_follow = [&](char c) { return is_plain(c) || c == '.' || c == '_' || c == '-'; };
  constexpr std::size_t kBytesMax = 100;
  return !name.empty() && name.size() <= kBytesMax && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(), may_follow);
}

}  // namespace cardswap
