#pragma once

#include <algorithm>
#include <cstdint>

namespace cardswap {

/// The measurements from which a migration is predicted. Units: bytes, bytes a second, ms. Where a
/// value is unknown, the predictions assume a default.
struct Measurements {
  std::uint64_t state_bytes = 0;
  std::uint64_t replayed_bytes = 0;  ///< bytes of state that replayable optimizer steps rewrite
  std::uint64_t update_bytes = 0;    ///< gradients of one step; 0: nothing can be replayed
  std::uint64_t dirty_bytes = 0;     ///< that differ on the target, by the latest scan
  double link_rate = 0;              ///< 0: unknown
  double digest_rate = 0;            ///< of one thread; 0: unknown
  double step_ms = 0;
  double replay_ms = 0;  ///< of one step's updates at the target; 0: unknown
  double round_trip_ms = 0;
  /// Time for journal writes and requests, from equal digests to the grant; 0: unknown.
  double handover_ms = 0;
  /// A rehearsal is planned: both sides take one step from the same state before the commit.
  bool rehearses = false;
  // Of a running replay:
  std::uint64_t copied_bytes = 0;  ///< how much of replayed_bytes is copied
  std::uint64_t logged_bytes = 0;  ///< bytes of gradients sent so far
  /// The share of a step's gradients that is sent with its entry, because it was not sent early. It
  /// applies once the base copy is complete, or if each step waits. 1: all, or not known yet.
  double rest_share = 1;
};

/// The downtime of a freeze now, in ms: scan the state, send what differs, digest it, agree.
[[nodiscard]] double expected_downtime_ms(const Measurements& measured);

/// How long the job is parked, in ms: at one boundary, or with a rehearsal at two, with the
/// rehearsed step in between. Each pause delays another step.
struct Stands {
  double first = 0;   ///< until the target has the whole state
  double second = 0;  ///< after the rehearsed step: until the comparison and the grant; else 0

  [[nodiscard]] double longest() const { return std::max(first, second); }
  [[nodiscard]] double all() const { return first + second; }
};
[[nodiscard]] Stands expected_stands(const Measurements& measured);

/// The time in ms in which the link sends `bytes`, and in which one thread digests them.
[[nodiscard]] double link_ms(const Measurements& measured, double bytes);
[[nodiscard]] double digest_ms(const Measurements& measured, double bytes);

}  // namespace cardswap
