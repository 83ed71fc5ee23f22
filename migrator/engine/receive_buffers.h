#pragma once

#include <map>
#include <span>
#include <string>

#include "migrator/engine/staging_pool.h"

namespace cardswap {

/// At the target: where payloads land before they are brought into a device's memory. One thread.
class ReceiveBuffers {
 public:
  /// Host memory itself, or a buffer until on_received(), or what the link can reach if `direct`.
  /// Throws Error{bad_request} for a header that is under way already.
  [[nodiscard]] std::span<std::byte> reserve(StagingPool& stagings,
                                             std::span<const std::byte> header,
                                             const MemoryRange& range, bool direct);
  /// As Staging has it, for the payload of that header.
  [[nodiscard]] std::uint8_t shuffle_size_for(std::span<const std::byte> header,
                                              std::uint8_t element_size) const;
  void on_received(std::span<const std::byte> header, std::uint8_t shuffle_size);
  /// The ranges are not there any more; what is under way may still land.
  void forget_ranges();

 private:
  struct Landing {
    Staging* staging = nullptr;
    std::span<std::byte> place;
    std::span<std::byte> range;
  };
  std::map<std::string, Landing> landing_;  // by header
};

}  // namespace cardswap
