#include "migrator/core/digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/base/hex.h"
#include "migrator/core/xxh3.h"

namespace cardswap {

namespace {

/// 4 MiB have this many leaves; for more of them memory is allocated.
constexpr std::size_t kFewLeaves = 64;

Digest xxh3_digest(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, xxh3_of(bytes));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest.bytes));
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return digest;
}

}  // namespace

Digest digest_of(std::span<const std::byte> bytes) {
  if (bytes.size() <= kLeafBytes) return xxh3_digest(bytes);
  const auto count = (bytes.size() + kLeafBytes - 1) / kLeafBytes;
  std::array<Digest, kFewLeaves> few;
  std::vector<Digest> many(count > few.size() ? count : 0);
  const auto leaves = many.empty() ? std::span(few).first(count) : std::span(many);
  for (auto& leaf : leaves) {
    const auto size = std::min(kLeafBytes, bytes.size());
    leaf = xxh3_digest(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  return xxh3_digest(std::as_bytes(leaves));
}

std::string to_string(const Digest& digest) {
  return to_hex(std::as_bytes(std::span(digest.bytes)));
}

Digest digest_from(std::string_view text) {
  Digest digest;
  if (!from_hex(text, std::as_writable_bytes(std::span(digest.bytes)))) {
    throw Error(Code::bad_request, fmt::format("'{}' is no digest", text));
  }
  return digest;
}

}  // namespace cardswap
