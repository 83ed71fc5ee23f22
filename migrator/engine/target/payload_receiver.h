#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "migrator/device/memory_range.h"
#include "migrator/engine/staging_pool.h"
#include "migrator/engine/target/receive_buffers.h"
#include "migrator/engine/target/unpacker.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// Receives payloads: gives each a place that the link can write to, and brings it, unpacked, into
/// the memory where it belongs. The mirror of PayloadSender; knows no link. One thread.
class PayloadReceiver {
 public:
  explicit PayloadReceiver(StagingPool::DirectBytesMin direct_bytes_min)
      : direct_bytes_min_(std::move(direct_bytes_min)) {}

  /// Sets how large a payload may be; to be called before any comes.
  void begin(std::size_t payload_bytes_max) {
    stagings_.emplace(direct_bytes_min_, payload_bytes_max);
  }
  /// Where `bytes` of a payload go that belongs in `range`. Throws Error{bad_request} for one that
  /// is under way already, or larger than its range.
  [[nodiscard]] std::span<std::byte> reserve(std::span<const std::byte> header,
                                             const data::Packing& packing, std::size_t bytes,
                                             const MemoryRange& range);
  /// Takes a payload that is there; returns the bytes of its range that it fills, 0 when the range
  /// was forgotten.
  std::size_t on_received(std::span<const std::byte> header, const data::Packing& packing,
                          std::size_t bytes);
  /// Waits until all that was received is in its range.
  void settle();
  /// Forgets the ranges, which are not there any more; what is under way may still land.
  void forget_ranges();

 private:
  const StagingPool::DirectBytesMin direct_bytes_min_;
  std::optional<StagingPool> stagings_;
  ReceiveBuffers buffers_;
  Unpacker unpacker_;
};

}  // namespace cardswap
