#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/base/task_group.h"

namespace cardswap {

/// The waits between retries: the first is `first`, each next one twice as long, up to `most`.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most)
      : first_(first), most_(most), next_(first) {}

  /// Waits; throws when the coroutine is cancelled.
  [[nodiscard]] asio::awaitable<void> wait() { return pause_for(next()); }
  /// Returns the next wait, for a caller who also waits for something else meanwhile.
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
