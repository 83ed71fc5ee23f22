#include "migrator/digest.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "migrator/error.h"
#include "migrator/xxh3.h"

namespace cardswap {

Digest digest_of(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, xxh3_of(bytes));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest.bytes));
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return digest;
}

std::string to_string(const Digest& digest) {
  return fmt::format("{:02x}", fmt::join(digest.bytes, ""));
}

Digest digest_from(std::string_view text) {
  Digest digest;
  bool whole = text.size() == 2 * digest.bytes.size();
  for (std::size_t i = 0; whole && i < digest.bytes.size(); ++i) {
    const auto* from = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, digest.bytes[i], 16);
    whole = error == std::errc{} && end == from + 2;
  }
  if (!whole) throw Error(Code::bad_request, fmt::format("'{}' is no digest", text));
  return digest;
}

}  // namespace cardswap
