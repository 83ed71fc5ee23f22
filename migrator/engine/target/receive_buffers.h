#pragma once

#include <map>
#include <span>
#include <string>

#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// The buffers at the target in which unpacked payloads land before they are brought to a device's
/// memory. One thread.
class ReceiveBuffers {
 public:
  /// Returns the memory where a payload for `range` lands: the range itself, if it is in the host's
  /// memory or `direct` and the link reaches it, else a buffer, valid until on_received(). Throws
  /// Error{bad_request} when a payload with this header is in flight already, and what
  /// Staging::reserve() throws.
  [[nodiscard]] std::span<std::byte> reserve(StagingPool& stagings,
                                             std::span<const std::byte> header,
                                             const MemoryRange& range, bool direct);
  /// The form in which on_received() wants the payload with that header (Staging::shuffle_for()).
  [[nodiscard]] ByteShuffle shuffle_for(std::span<const std::byte> header,
                                        std::uint8_t element_bytes) const;
  /// Begins to bring the payload to its range. `shuffle` describes its bytes.
  void on_received(std::span<const std::byte> header, ByteShuffle shuffle);
  /// Forgets all ranges, because their memory goes away. Payloads in flight may still land in
  /// buffers.
  void forget_ranges();

 private:
  /// A payload that is in flight.
  struct Landing {
    Staging* staging = nullptr;
    std::span<std::byte> destination;
    std::span<std::byte> range;
  };
  std::map<std::string, Landing> landing_;  // by header
};

}  // namespace cardswap
