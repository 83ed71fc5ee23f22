#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "migrator/device/memory_range.h"
#include "migrator/engine/staging_pool.h"
#include "migrator/engine/target/payload_decompressor.h"
#include "migrator/engine/target/receive_buffers.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Receives payloads: gives the link memory for each payload, and brings it, decompressed, to the
/// range where it belongs. The counterpart of PayloadSender; makes no calls of a link. One thread.
class PayloadReceiver {
 public:
  explicit PayloadReceiver(StagingPool::DirectBytesMin direct_bytes_min)
      : direct_bytes_min_(std::move(direct_bytes_min)) {}

  /// Sets the size that a payload may have. To be called once, before the first reserve().
  void begin(std::size_t payload_bytes_max) {
    stagings_.emplace(direct_bytes_min_, payload_bytes_max);
  }
  /// Returns memory of `bytes` for the payload with `header`, which belongs in `range`. Throws
  /// Error{bad_request} when it does not fit its range, or when such a payload is in flight already
  /// (unless it lands straight in its range), and what Staging::reserve() throws.
  [[nodiscard]] std::span<std::byte> reserve(std::span<const std::byte> header,
                                             const data::PayloadEncoding& encoding,
                                             std::size_t bytes, const MemoryRange& range);
  /// Takes a payload that has landed, and begins to bring it to its range. Returns the bytes of the
  /// range that it fills; 0: it was compressed, and its range was forgotten. Throws
  /// Error{bad_request} when it cannot be decompressed.
  std::size_t on_received(std::span<const std::byte> header, const data::PayloadEncoding& encoding,
                          std::size_t bytes);
  /// Blocks until every payload that was received is in its range.
  void drain();
  /// Forgets the ranges of payloads that land in buffers. One that lands straight in its range may
  /// still land there: keep that memory.
  void forget_ranges();

 private:
  const StagingPool::DirectBytesMin direct_bytes_min_;
  std::optional<StagingPool> stagings_;
  ReceiveBuffers buffers_;
  PayloadDecompressor decompressor_;
};

}  // namespace cardswap
