#pragma once

#include <map>
#include <span>
#include <string>

#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// The places at the target where payloads land before they are brought into a device's memory. One
/// thread.
class ReceiveBuffers {
 public:
  /// Where a payload lands: host memory itself, or a buffer until on_received(), or what the link
  /// can reach if `direct`. Throws Error{bad_request} for a header that is under way already.
  [[nodiscard]] std::span<std::byte> reserve(StagingPool& stagings,
                                             std::span<const std::byte> header,
                                             const MemoryRange& range, bool direct);
  /// What on_received() takes the payload of that header as, which is of elements of so many bytes.
  [[nodiscard]] ByteShuffle shuffle_for(std::span<const std::byte> header,
                                        std::uint8_t element_bytes) const;
  void on_received(std::span<const std::byte> header, ByteShuffle shuffle);
  /// Forgets the ranges, which are not there any more; what is under way may still land.
  void forget_ranges();

 private:
  /// A payload that has a place and did not land yet.
  struct Landing {
    Staging* staging = nullptr;
    std::span<std::byte> destination;
    std::span<std::byte> range;
  };
  std::map<std::string, Landing> landing_;  // by header
};

}  // namespace cardswap
