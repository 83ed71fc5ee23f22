#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cardswap {

/// The key by which a payload that is under way is found again.
[[nodiscard]] inline std::string key_of(std::span<const std::byte> header) {
  return {reinterpret_cast<const char*>(header.data()), header.size()};  // NOLINT: bytes as a key
}

}  // namespace cardswap
