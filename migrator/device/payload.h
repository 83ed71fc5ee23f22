#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "migrator/core/byte_shuffle.h"
#include "migrator/device/memory_range.h"

namespace cardswap {

/// Bytes of one tensor that are to be sent.
struct Payload {
  MemoryRange range;
  std::uint8_t element_bytes = 1;  ///< of one element of the tensor
};

/// A payload on its way from a device to a link. `bytes` may be sent once Staging::is_ready() is
/// true; hold `owner` until they were sent.
struct StagedPayload {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::size_t ticket = 0;  ///< for the Staging alone
  ByteShuffle shuffle;     ///< describes `bytes`
};

/// How many payloads of one migration may be in flight at once.
inline constexpr std::size_t kPayloadsInFlightMax = 12;

}  // namespace cardswap
