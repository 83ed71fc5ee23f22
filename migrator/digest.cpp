#include "migrator/digest.h"

#include <fmt/format.h>

#include <cstring>

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

}  // namespace cardswap
