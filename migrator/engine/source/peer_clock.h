#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace cardswap {

/// The offset of the target's steady_clock from this host's, found by pings. The quickest answer
/// counts, because the least waiting can hide in it. An answer counts only for a ping that waits
/// for one, so a target cannot set this clock by a time that nobody sent. Pure; one thread.
class PeerClock {
 public:
  /// A ping left, at `now_ns` of this host's clock, which it carries.
  void pinged(std::int64_t now_ns);
  /// The target answered the ping that carries `sent_ns` when its own clock had `target_ns`. One
  /// that does not wait for an answer, or no more, says nothing.
  void answered(std::int64_t sent_ns, std::int64_t target_ns, std::int64_t now_ns);

  [[nodiscard]] std::size_t answers() const { return answers_; }
  /// What is to be added to this host's clock for the target's, and how wrong that may be.
  [[nodiscard]] std::int64_t offset_ns() const { return offset_ns_; }
  [[nodiscard]] std::int64_t error_ns() const { return round_trip_ns() / 2; }
  /// What the quickest answer took; 0 before the first.
  [[nodiscard]] std::int64_t round_trip_ns() const { return round_trip_ns_.value_or(0); }

 private:
  std::deque<std::int64_t> unanswered_;  // oldest first; bounded
  std::size_t answers_ = 0;
  std::optional<std::int64_t> round_trip_ns_;
  std::int64_t offset_ns_ = 0;
};

}  // namespace cardswap
