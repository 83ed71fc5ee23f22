#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cardswap {

/// Fills `bytes` from hexadecimal digits, two for each byte. False: `text` is not exactly as many
/// digits; the content of `bytes` is then unspecified.
[[nodiscard]] bool from_hex(std::string_view text, std::span<std::byte> bytes);
/// Hexadecimal digits in lower case, two for each byte.
[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

}  // namespace cardswap
