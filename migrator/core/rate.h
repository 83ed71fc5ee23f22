#pragma once

#include <chrono>
#include <cstdint>

namespace cardswap {

/// Keeps sending within `bytes_per_s` (0: no cap). A token bucket of at most 12 ms: a sender that
/// is woken late catches up, but a pause gives no right to a burst. The caller brings the clock.
/// One thread.
class RateCap {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RateCap(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  [[nodiscard]] std::uint64_t bytes_per_s() const { return bytes_per_s_; }
  /// When the next send may start: `now` or later.
  [[nodiscard]] Clock::time_point ready_at(Clock::time_point now) const;
  /// Counts bytes that are sent at `now`, also more than the cap allows.
  void note_sent(std::uint64_t bytes, Clock::time_point now);

 private:
  std::uint64_t bytes_per_s_;
  Clock::time_point free_at_{};  ///< when all that was sent would have passed at the cap
};

/// The rate in bytes a second, over the time in which something was sent. One thread.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Adds a send of `bytes` that took `busy`; ignored where one of both is 0.
  void add(std::uint64_t bytes, Clock::duration busy);
  /// The rate; 0 until something was added. A moving average: once enough was seen, a send of 1 MiB
  /// or more weighs a quarter, a smaller one less.
  [[nodiscard]] double bytes_per_s() const { return bytes_per_s_; }

 private:
  double bytes_per_s_ = 0;
  double seen_ = 0;  // bytes
};

}  // namespace cardswap
