#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/device/payload.h"

namespace cardswap {

/// What a device's staging is made for.
struct StagingOptions {
  std::size_t payload_bytes_max = 0;
  std::optional<std::size_t> direct_bytes_min;  ///< from here on the link reaches the memory itself
};

/// What fetch() may do with payloads on their way.
struct FetchOptions {
  bool direct = false;  ///< the memory itself may be given
  bool shuffled =
      false;  ///< a payload that is copied may be byte-shuffled on its way (byte_shuffle.h)
};

/// The way of one engine's payloads between a device's memory and a link, in both directions:
/// through buffers that a link can use, or none where it reaches the memory itself. One thread.
class Staging {
 public:
  virtual ~Staging() = default;

  /// Begins to bring payloads of this device to where the link can send them, behind `after`: as
  /// many of them as there are buffers for. None: the link gives one back when it has sent.
  virtual std::vector<StagedPayload> fetch(std::span<const Payload> payloads, const Fence& after,
                                           FetchOptions options) = 0;
  [[nodiscard]] virtual bool is_ready(const StagedPayload& fetched) = 0;

  /// Where a payload for `range` may land: the range itself if `direct` allows that, or a buffer.
  /// Throws Error{bad_request} when more payloads are landing at once than an honest peer sends.
  [[nodiscard]] virtual std::span<std::byte> reserve(std::span<std::byte> range, bool direct) = 0;
  /// What on_received() takes elements of so many bytes as: byte-shuffled, or as they are in
  /// memory.
  [[nodiscard]] virtual ByteShuffle shuffle_for(std::uint8_t element_bytes) const = 0;
  /// Begins to bring a payload, which is in `destination`, into `range`, where it is not shuffled;
  /// an empty range only gives the destination back.
  virtual void on_received(std::span<std::byte> destination, std::span<std::byte> range,
                           ByteShuffle shuffle) = 0;
  /// Waits until everything that was received is in its range.
  virtual void settle() = 0;
};

}  // namespace cardswap
