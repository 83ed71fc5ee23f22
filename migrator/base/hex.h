#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace cardswap {

/// Reads two hexadecimal digits a byte. False where `text` is anything but as many as fill `bytes`,
/// whose contents are unspecified then.
[[nodiscard]] bool from_hex(std::string_view text, std::span<std::byte> bytes);

}  // namespace cardswap
