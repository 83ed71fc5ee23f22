#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace cardswap {

/// An enumeration whose values are 0 to last_of(Enum{}), a function beside it. Numbers from outside
/// are checked against that range.
template <class Enum>
concept Ranged = std::is_enum_v<Enum> && requires(Enum value) {
  { last_of(value) } -> std::same_as<Enum>;
};

/// How many values the enumeration has.
template <Ranged Enum>
inline constexpr std::size_t kCountOf = static_cast<std::size_t>(last_of(Enum{})) + 1;

/// A Ranged enumeration whose values have names as well, for JSON and for people.
template <class Enum>
concept Named = Ranged<Enum> && requires(Enum value) {
  { to_string(value) } -> std::convertible_to<std::string_view>;
};

/// The value of that name; none: there is no such value.
template <Named Enum>
[[nodiscard]] std::optional<Enum> named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(last_of(Enum{})); ++i) {
    if (name == to_string(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

/// All names as one text: "auto, off, lz4 or zstd".
template <Named Enum>
[[nodiscard]] std::string names_of() {
  const int last = static_cast<int>(last_of(Enum{}));
  std::string all;
  for (int i = 0; i <= last; ++i) {
    if (i > 0) all += i == last ? " or " : ", ";
    all += to_string(static_cast<Enum>(i));
  }
  return all;
}

}  // namespace cardswap
