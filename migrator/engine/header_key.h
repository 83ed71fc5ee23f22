#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cardswap {

/// A payload's header as the key of a map of payloads in flight.
[[nodiscard]] inline std::string key_of(std::span<const std::byte> header) {
  return {reinterpret_cast<const char*>(header.data()), header.size()};  // NOLINT: bytes as a key
}

}  // namespace cardswap
