#pragma once

#include <algorithm>
#include <cstdint>

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
  double replay_ms = 0;  ///< of one step's updates at the target; 0: unknown
  double round_trip_ms = 0;
  /// Journal writes and requests from the digests to the grant; 0: unknown.
  double handover_ms = 0;
  /// Both sides take one step from the state that both hold, before anything commits.
  bool rehearses = false;
  // Of a replay that is under way:
  std::uint64_t copied_bytes = 0;  ///< of replayed_bytes
  std::uint64_t logged_bytes = 0;  ///< gradients sent so far
  /// The share of a step's gradients that is left for its entry, where the others go ahead of it:
  /// once the base copy is complete, or where each step waits. 1: all, or it is not known yet.
  double rest_share = 1;
};

/// What a freeze right now would cost: scan the state, send what differs, digest it, agree.
[[nodiscard]] double expected_downtime_ms(const Measurements& measured);

/// How long the job stands at its boundaries: once, or twice where it takes a step in between that
/// is rehearsed. Each makes another step late. ms.
struct Stands {
  double first = 0;   ///< until the target has it all
  double second = 0;  ///< behind the step that both take: until that was compared, and granted

  [[nodiscard]] double longest() const { return std::max(first, second); }
  [[nodiscard]] double all() const { return first + second; }
};
[[nodiscard]] Stands expected_stands(const Measurements& measured);

/// What `bytes` take on the link, and what one thread takes to digest them.
[[nodiscard]] double link_ms(const Measurements& measured, double bytes);
[[nodiscard]] double digest_ms(const Measurements& measured, double bytes);

}  // namespace cardswap
