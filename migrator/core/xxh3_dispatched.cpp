#include "migrator/core/xxh3.h"

#define XXH_DISPATCH_DISABLE_REPLACE  // the dispatched name is called by itself
#include <xxh_x86dispatch.h>

namespace cardswap {

XXH128_hash_t xxh3_of(std::span<const std::byte> bytes) {
  return XXH3_128bits_dispatch(bytes.data(), bytes.size());
}

}  // namespace cardswap
