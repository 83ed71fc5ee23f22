#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cardswap {

/// The bytes of one leaf. What is longer is cut into leaves, the last one shorter, which many
/// threads of a GPU can digest at a time.
inline constexpr std::size_t kLeafBytes = 65536;

/// 128 bits that stand for a run of bytes: XXH3-128 (seed 0) in its canonical big-endian form, of
/// the bytes where they are one leaf, else of the leaves' digests one behind the other. For bytes
/// of one length; finds changes and transfer faults, but is no defence against somebody who forges.
/// Every device gives the same value.
struct Digest {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
};

[[nodiscard]] Digest digest_of(std::span<const std::byte> bytes);
/// 32 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const Digest& digest);
/// Reads 32 hexadecimal digits back. Throws Error{bad_request}.
[[nodiscard]] Digest digest_from(std::string_view text);

}  // namespace cardswap
