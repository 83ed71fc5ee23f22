#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/device/payload.h"

namespace cardswap {

/// The payloads and the link for which a Staging is made.
struct StagingOptions {
  std::size_t payload_bytes_max = 0;
  /// Link::direct_bytes_min() for the device's memory.
  std::optional<std::size_t> direct_bytes_min;
};

/// What fetch() may do with payloads.
struct FetchOptions {
  bool direct = false;    ///< it may return the device's memory itself
  bool shuffled = false;  ///< it may byte-shuffle a payload that it copies (byte_shuffle.h)
};

/// Brings the payloads of one engine from a device's memory to a link, and back: through buffers
/// that the link can use, or without a buffer if the link reaches the memory itself. One thread.
/// Calls throw as Device's do.
class Staging {
 public:
  virtual ~Staging() = default;

  /// Begins to bring payloads of this device to memory from which the link can send, after the work
  /// before the fence `after` is done: the first ones of `payloads`, as many as there are free
  /// buffers. Does not wait. Returns an empty vector when no buffer is free; one becomes free when
  /// the link has sent a payload and dropped its owner.
  virtual std::vector<StagedPayload> fetch(std::span<const Payload> payloads, const Fence& after,
                                           FetchOptions options) = 0;
  /// Whether the payload's bytes are there.
  [[nodiscard]] virtual bool is_ready(const StagedPayload& fetched) = 0;

  /// Returns the memory where a payload for `range` may land: the range itself if `direct` allows
  /// it and the link reaches it, else a buffer. Throws Error{bad_request} when more payloads are
  /// landing at once than an honest peer sends.
  [[nodiscard]] virtual std::span<std::byte> reserve(std::span<std::byte> range, bool direct) = 0;
  /// The form in which on_received() wants a payload whose elements have `element_bytes`: shuffled,
  /// or as they are in memory.
  [[nodiscard]] virtual ByteShuffle shuffle_for(std::uint8_t element_bytes) const = 0;
  /// Begins to bring a payload from `destination`, which reserve() returned, into `range`, and
  /// unshuffles it on the way. `shuffle` describes the bytes in `destination`. An empty range: only
  /// frees the destination.
  virtual void on_received(std::span<std::byte> destination, std::span<std::byte> range,
                           ByteShuffle shuffle) = 0;
  /// Blocks until every payload given to on_received() is in its range.
  virtual void drain() = 0;
};

}  // namespace cardswap
