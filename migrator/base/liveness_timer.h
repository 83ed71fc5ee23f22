#pragma once

#include <algorithm>
#include <chrono>

namespace cardswap {

/// Measures how long a peer was silent while this side listened. While this side was busy or
/// stopped the peer is not to blame: the time between two calls of elapsed() counts for at most
/// `kPauseMax`. One thread.
class LivenessTimer {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPauseMax{600};

  /// Starts at zero again: a message came, or the wait for one begins.
  void note_contact(Clock::time_point now) {
    length_ = {};
    checked_at_ = now;
  }
  /// Returns the length of the silence so far. To be called each time after the link was polled.
  Clock::duration elapsed(Clock::time_point now) {
    const Clock::duration most = kPauseMax;
    length_ += std::min(now - checked_at_, most);
    checked_at_ = now;
    return length_;
  }

 private:
  Clock::time_point checked_at_{};
  Clock::duration length_{};
};

}  // namespace cardswap
