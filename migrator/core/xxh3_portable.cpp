#include "migrator/core/xxh3.h"

namespace cardswap {

XXH128_hash_t xxh3_of(std::span<const std::byte> bytes) {
  return XXH3_128bits(bytes.data(), bytes.size());
}

}  // namespace cardswap
