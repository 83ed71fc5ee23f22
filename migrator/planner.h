#pragma once

#include <cstdint>
#include <vector>

#include "migrator/stats.h"

namespace cardswap {

/// What was measured, or assumed where nothing was measured yet. Bytes, bytes a second, ms.
struct Measurements {
  std::uint64_t state_bytes = 0;
  std::uint64_t dirty_bytes = 0;  ///< that differ now, as of the latest scan
  double link_rate = 0;           ///< 0: unknown
  double digest_rate = 0;         ///< one thread, 0: unknown
  double step_ms = 0;
  double replay_ms = 0;  ///< of the updates that a freeze would wait for
  double round_trip_ms = 0;
};

/// What a freeze right now would cost: scan the state, send what differs, digest it, agree.
[[nodiscard]] double expected_downtime_ms(const Measurements& measured);

struct FreezeRule {
  double max_downtime_ms = 300;  ///< 0: no limit
  double expected_downtime_ms = 0;
  std::uint64_t dirty_bytes = 0;
  std::uint64_t dirty_bytes_before = 0;  ///< one round earlier; 0: no round yet
};

/// True when the downtime is within the limit and another round would hardly shorten it.
[[nodiscard]] bool should_freeze(const FreezeRule& now);

struct Prediction {
  Strategy strategy = Strategy::stop_copy;
  double total_time_ms = 0;
  double downtime_ms = 0;
  std::uint64_t transferred = 0;
  bool fits = false;  ///< downtime within the limit
};

/// For `--dry-run`, before anything was sent: stop-copy, and rounds if every step rewrites
/// everything (the worst case: nothing is known yet of what a step changes).
[[nodiscard]] std::vector<Prediction> predict(const Measurements& measured, double max_downtime_ms);

}  // namespace cardswap
