#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "migrator/core/rate.h"
#include "migrator/device/staging.h"
#include "migrator/engine/source/busy_rate_meter.h"
#include "migrator/engine/source/compressor.h"
#include "migrator/engine/source/freeze_request.h"
#include "migrator/engine/source/peer_connection.h"
#include "migrator/engine/source/read_ahead.h"
#include "migrator/engine/source/stats_reporter.h"
#include "migrator/engine/staging_pool.h"
#include "migrator/wire/data_messages.h"

namespace cardswap {

/// How many payloads may be under way at once: as many as a fast link needs, but not seconds of
/// them in front of a heartbeat where the link is slow. `rate`: bytes a second, 0 while unknown.
[[nodiscard]] std::size_t payload_window(double rate, std::uint64_t chunk_bytes);

/// Sends payloads to the target: fetches them from their devices ahead of the link, packs them
/// where that is faster, and keeps to the cap and to a short queue. The engine's thread.
class PayloadSender {
 public:
  /// All outlive this.
  PayloadSender(const SourceOptions& options, PeerConnection& connection, FreezeRequest& freeze);

  /// Reads payloads of the chunk's size at most ahead of the link, from their devices and behind
  /// `after`. To be called once connected.
  [[nodiscard]] ReadAhead read_ahead(Fence after);
  /// The next of `ahead`, when it is there.
  [[nodiscard]] StagedPayload await(ReadAhead& ahead);
  /// Sends a payload, once there is room on the link and under the cap. `ignore_cap`: also while
  /// frozen. `element_size`: of the payload's elements, for packing it on a slow link.
  void send(const data::BulkHeader& header, StagedPayload fetched, std::uint8_t element_size,
            bool ignore_cap);
  /// Ends a stretch of sending: what was sent last has arrived, as far as the caller knows.
  void end_stretch();
  void wait_until_sent();

  /// What was sent so far, and how fast it is now, under the cap; for the planner and for people.
  [[nodiscard]] LinkStats link_stats() const;
  /// Takes a rate that was measured apart: what was measured before does not count any more.
  void take_measured_rate(double bytes_per_s);

 private:
  void wait_for_a_slot(bool ignore_cap);
  /// Bytes on the wire a second, under the cap; 0 while unknown.
  [[nodiscard]] double wire_rate() const;

  const SourceOptions& options_;
  PeerConnection& connection_;
  FreezeRequest& freeze_;
  StagingPool stagings_;
  RateCap cap_;
  Compressor compressor_;
  BusyRateMeter meter_;  // of bytes on the wire
  std::uint64_t sent_ = 0;
  std::uint64_t sent_in_downtime_ = 0;
  std::optional<Codec> packed_by_;
};

}  // namespace cardswap
