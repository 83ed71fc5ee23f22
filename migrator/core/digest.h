#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cardswap {

/// The bytes of one leaf. A longer run of bytes is cut into leaves, of which the last may be
/// shorter, so that many threads of a GPU can digest it at once.
inline constexpr std::size_t kLeafBytes = 65536;

/// 128 bits that stand for a run of bytes: XXH3-128 (seed 0) in its canonical big-endian form. It
/// is taken over the bytes if they are one leaf, else over the concatenated digests of the leaves.
/// Compare only digests of runs of the same length. It finds changes and transfer faults, but does
/// not protect against forgery. Every device gives the same value.
struct Digest {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Digest&) const = default;
};

[[nodiscard]] Digest digest_of(std::span<const std::byte> bytes);
/// 32 lower-case hexadecimal digits.
[[nodiscard]] std::string to_string(const Digest& digest);
/// Reads 32 hexadecimal digits. Throws Error{bad_request} for any other text.
[[nodiscard]] Digest digest_from(std::string_view text);

}  // namespace cardswap
