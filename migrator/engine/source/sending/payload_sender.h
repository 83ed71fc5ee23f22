#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "migrator/core/rate.h"
#include "migrator/device/staging.h"
#include "migrator/engine/source/sending/busy_rate_meter.h"
#include "migrator/engine/source/sending/connection_to_target.h"
#include "migrator/engine/source/sending/frozen_mailbox.h"
#include "migrator/engine/source/sending/payload_compressor.h"
#include "migrator/engine/source/sending/read_ahead.h"
#include "migrator/engine/source/sending/sync_figures.h"
#include "migrator/engine/staging_pool.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// How many payloads may be in flight at once: enough for a fast link, but few enough on a slow one
/// that a heartbeat does not wait behind them for seconds. `rate`: bytes a second, 0 while unknown.
[[nodiscard]] std::size_t payload_window(double rate, std::uint64_t chunk_bytes);

/// How long the bandwidth cap delays a payload.
enum class CapRule : std::uint8_t {
  always,        ///< also while the program is frozen
  until_frozen,  ///< no longer once the program is frozen: the freeze cuts the round short anyway
};

/// Sends payloads to the target: fetches them from their devices ahead of the link, compresses them
/// if that is faster, and keeps to the bandwidth cap and to a short queue. The engine's thread.
/// Calls that wait keep the connection alive and throw as ConnectionToTarget::progress() does.
class PayloadSender {
 public:
  /// All outlive this.
  PayloadSender(const SourceOptions& options, ConnectionToTarget& connection,
                FrozenMailbox& freeze);

  /// Returns a reader that fetches payloads, each at most one chunk long, from their devices ahead
  /// of the link and behind the fence `after`. Call it after ConnectionToTarget::connect(); this
  /// must outlive the reader.
  [[nodiscard]] ReadAhead read_ahead(Fence after);
  /// Waits for the next payload of `ahead`. One must have been wanted: else this waits for ever.
  [[nodiscard]] StagedPayload await(ReadAhead& ahead);
  /// Waits until the link has a free slot and the cap allows the send, then sends the payload.
  /// `rule` says whether a freeze ends the wait for the cap. `element_bytes`: bytes of one element,
  /// for the compression on a slow link.
  void send(const data::PayloadHeader& header, StagedPayload fetched, std::uint8_t element_bytes,
            CapRule rule);
  /// Ends the current measurement of the rate: the caller knows that the last payload has arrived.
  void end_busy_period();
  /// Waits until no payload is in flight, and ends the measurement as end_busy_period() does.
  void wait_until_sent();

  /// The bytes sent so far, and the rate now, under the cap; for the planner and for people.
  [[nodiscard]] LinkStats link_stats() const;
  /// Replaces what was measured here by a rate that was measured elsewhere.
  void take_measured_rate(double bytes_per_s);

 private:
  void wait_for_a_slot(CapRule rule);
  /// Bytes on the wire a second, under the cap; 0 while unknown.
  [[nodiscard]] double wire_rate() const;

  const SourceOptions& options_;
  ConnectionToTarget& connection_;
  FrozenMailbox& freeze_;
  StagingPool stagings_;
  RateCap cap_;
  PayloadCompressor compressor_;
  BusyRateMeter meter_;  // of bytes on the wire
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t sent_in_downtime_ = 0;
  std::optional<Codec> compressed_by_;
};

}  // namespace cardswap
