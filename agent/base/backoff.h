#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/base/task_group.h"

namespace cardswap {

/// Waits between tries: twice as long each time, up to a limit.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most)
      : first_(first), most_(most), next_(first) {}

  /// Returns after the next wait; throws when cancelled.
  [[nodiscard]] asio::awaitable<void> wait() { return pause_for(next()); }
  /// Gives the next wait to a caller who waits for something else beside it.
  [[nodiscard]] std::chrono::milliseconds next() {
    return std::exchange(next_, std::min(2 * next_, most_));
  }
  /// Begins again with the first wait.
  void reset() { next_ = first_; }
  /// Whether the next wait is the first one.
  [[nodiscard]] bool is_reset() const { return next_ == first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds most_;
  std::chrono::milliseconds next_;
};

}  // namespace cardswap
