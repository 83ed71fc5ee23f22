#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "migrator/core/migration_spec.h"

namespace cardswap {

/// What was measured, or assumed where nothing was measured yet. Bytes, bytes a second, ms.
struct Measurements {
  std::uint64_t state_bytes = 0;
  std::uint64_t replayed_bytes = 0;  ///< of the state: what optimizer steps rewrite, if replayable
  std::uint64_t update_bytes = 0;    ///< gradients of one step; 0: nothing can be replayed
  std::uint64_t dirty_bytes = 0;     ///< that differ now, as of the latest scan
  double link_rate = 0;              ///< 0: unknown
  double digest_rate = 0;            ///< one thread, 0: unknown
  double step_ms = 0;
  double replay_ms = 0;  ///< of the updates that a freeze would wait for
  double round_trip_ms = 0;
  double handover_ms =
      0;  ///< journal writes and requests from the digests to the grant; 0: unknown
};

/// What a freeze right now would cost: scan the state, send what differs, digest it, agree.
[[nodiscard]] double expected_downtime_ms(const Measurements& measured);

struct FreezeRule {
  double max_downtime_ms = 300;  ///< 0: no limit
  double expected_downtime_ms = 0;
  std::uint64_t dirty_bytes = 0;
  std::uint64_t dirty_bytes_before = 0;  ///< one round earlier; 0: no round yet
  bool last_round = false;               ///< there may be no other
};

/// True when the downtime is within the limit and another round would hardly shorten it, or may not
/// be.
[[nodiscard]] bool should_freeze(const FreezeRule& now);

struct Prediction {
  Strategy strategy = Strategy::stop_copy;
  double total_time_ms = 0;
  double downtime_ms = 0;  ///< replay: with what the last step waits for its gradients to go out
  std::uint64_t transferred = 0;
  bool fits = false;   ///< downtime within the limit
  std::string reason;  ///< why it does not fit
};

/// Before anything was sent: stop-copy, rounds, replay, in this order. What no optimizer rewrites
/// is taken to stay as it is; without a replayable optimizer every step is taken to rewrite all.
/// `max_downtime_ms` 0: no limit.
[[nodiscard]] std::vector<Prediction> predict(const Measurements& measured, double max_downtime_ms);

/// What `auto` does with predict()'s answer. Of those within the limit: the shortest downtime that
/// takes at most a tenth longer in total than stop-copy; where stop-copy is beyond the limit, the
/// shortest in total. None within the limit: the shortest downtime, and rounds where all are the
/// same, since a scan may find less dirty than was assumed.
[[nodiscard]] Strategy choose(const std::vector<Prediction>& predictions);

}  // namespace cardswap
