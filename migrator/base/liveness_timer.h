#pragma once

#include <algorithm>
#include <chrono>

namespace cardswap {

/// Measures how long a peer has said nothing while this side was listening. Time in which this side
/// was busy or stopped is not held against the peer: each pause between two looks counts for at
/// most `kPauseMax`. One thread.
class LivenessTimer {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPauseMax{600};

  /// Begins anew: a word came, or the wait for one begins.
  void note_contact(Clock::time_point now) {
    length_ = {};
    checked_at_ = now;
  }
  /// Returns the length of the silence so far; to be called each time that the line was looked at.
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
