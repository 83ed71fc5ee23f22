#pragma once

#include <chrono>
#include <cstdint>

#include "migrator/core/rate.h"

namespace cardswap {

/// Measures the rate of a link over periods of time in which it was never idle, so that pauses do
/// not count. The caller brings the clock. No I/O; one thread.
class BusyRateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  /// Begins a busy period: nothing was in flight until now.
  void begin(Clock::time_point now) {
    since_ = now;
    bytes_ = 0;
  }
  /// Counts bytes that were sent. A long busy period is measured in parts.
  void note_sent(std::uint64_t bytes, Clock::time_point now) {
    bytes_ += bytes;
    if (now - since_ >= kPartMin) end(now);
  }
  /// Ends the busy period, or a part of it: everything sent has arrived.
  void end(Clock::time_point now) {
    if (bytes_ != 0) meter_.add(bytes_, now - since_);
    begin(now);
  }
  /// Replaces the rate by this one.
  void reset_to(double bytes_per_s) {
    meter_ = RateMeter();
    meter_.add(static_cast<std::uint64_t>(bytes_per_s), std::chrono::seconds(1));
  }
  /// The rate; 0 before the end of the first busy period or part.
  [[nodiscard]] double bytes_per_s() const { return meter_.bytes_per_s(); }

 private:
  static constexpr std::chrono::milliseconds kPartMin{200};

  RateMeter meter_;
  Clock::time_point since_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace cardswap
