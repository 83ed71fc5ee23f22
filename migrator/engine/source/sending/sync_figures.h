#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "migrator/core/compression.h"

/// The figures that the parts of the source hand to StatsReporter.
namespace cardswap {

/// The figures of the link, from PayloadSender.
struct LinkStats {
  double rate = 0;   ///< bytes a second on the wire, under the cap; 0 while unknown
  double ratio = 1;  ///< bytes of state for one byte on the wire
  double round_trip_ms = 0;
  std::uint64_t sent = 0;              ///< bytes of payloads
  std::uint64_t sent_in_downtime = 0;  ///< of these, while the program was frozen
  double measured_rate = 0;            ///< as `rate`, but 0 until something was measured
  std::optional<Codec> codec = {};     ///< the codec that was used last; nullopt: none so far
};
/// The figures of a replay, from ReplaySync.
struct ReplayStats {
  std::uint64_t log_entries = 0;
  std::uint64_t log_bytes = 0;      ///< bytes of gradients sent
  std::uint64_t log_lag_bytes = 0;  ///< gradients that the target has not replayed yet
  std::uint64_t early_bytes = 0;    ///< gradients sent before their step's entry
  std::uint64_t resent_bytes = 0;   ///< of these, those that changed and were sent again
  double replay_ms = 0;             ///< time of an update at the target, the longest recent one
  double back_pressure_ms = 0;      ///< as in MigrationStats, and so are the next two
  double log_wait_ms = 0;
  double window_wait_ms = 0;
  std::uint64_t shards_not_replayed = 0;
  std::string not_replayed = {};
};
/// The parts of the downtime.
struct FreezeTimes {
  double scan_ms = 0;
  double send_ms = 0;
  double verify_ms = 0;
};

}  // namespace cardswap
