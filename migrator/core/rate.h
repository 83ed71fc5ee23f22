#pragma once

#include <chrono>
#include <cstdint>

namespace cardswap {

/// Keeps sending within `bytes_per_s` (0: no cap): a token bucket that holds at most 12 ms worth,
/// so a late wake-up is made up for, and a pause is not. The caller brings the clock. One thread.
class RateCap {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RateCap(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  [[nodiscard]] std::uint64_t bytes_per_s() const { return bytes_per_s_; }
  /// When the next send may start: `now` or later.
  [[nodiscard]] Clock::time_point ready_at(Clock::time_point now) const;
  void note_sent(std::uint64_t bytes, Clock::time_point now);

 private:
  std::uint64_t bytes_per_s_;
  Clock::time_point free_at_{};  ///< when all that was sent would have passed at the cap
};

/// Bytes a second, over the time in which something was being sent. One thread.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  void add(std::uint64_t bytes, Clock::duration busy);
  /// The rate; 0 until something was sent. Recent sends count more: each a quarter, and the less
  /// the further it is below a megabyte.
  [[nodiscard]] double bytes_per_s() const { return bytes_per_s_; }

 private:
  double bytes_per_s_ = 0;
  double seen_ = 0;  // bytes
};

}  // namespace cardswap
