#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace cardswap {

/// The offset of the target's steady_clock from this host's, measured by pings. The quickest answer
/// counts, because its error is the smallest. An answer counts only for a ping that was sent and
/// not answered yet, so a target cannot make up times. No clock, no I/O; one thread.
class PeerClock {
 public:
  /// Notes that a ping is sent at `now_ns` of this host's clock; the ping carries this time.
  void pinged(std::int64_t now_ns);
  /// Notes the target's answer, received at `now_ns`, to the ping that carries `sent_ns`; the
  /// target's clock had `target_ns`. Ignored if no such ping waits for an answer.
  void answered(std::int64_t sent_ns, std::int64_t target_ns, std::int64_t now_ns);

  /// How many answers counted.
  [[nodiscard]] std::size_t answers() const { return answers_; }
  /// The target's clock minus this host's, and the bound of its error; 0 before the first answer.
  [[nodiscard]] std::int64_t offset_ns() const { return offset_ns_; }
  [[nodiscard]] std::int64_t error_ns() const { return round_trip_ns() / 2; }
  /// The round trip of the quickest answer; 0 before the first.
  [[nodiscard]] std::int64_t round_trip_ns() const { return round_trip_ns_.value_or(0); }

 private:
  std::deque<std::int64_t> unanswered_;  // oldest first; bounded
  std::size_t answers_ = 0;
  std::optional<std::int64_t> round_trip_ns_;
  std::int64_t offset_ns_ = 0;
};

}  // namespace cardswap
