#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "agent/base/task_group.h"

namespace cardswap {

/// Knows whether a job of this host is frozen for its handover. When many callers come at once,
/// they wait until that is over, because the agent works for the job meanwhile. One thread.
class HandoverGate {
 public:
  /// `is_frozen`: the job of `migration` is frozen from now on; false: not any more. To repeat
  /// either changes nothing.
  void note(const std::string& migration, bool is_frozen) {
    if (is_frozen) {
      since_.emplace(migration, Clock::now());
    } else if (since_.erase(migration) > 0) {
      over_.notify();
    }
  }
  /// Whether a job is frozen, and has been for less than 2 s. A longer one does not count: nobody
  /// waits for a link that is cut or for an operator's decision.
  [[nodiscard]] bool is_closed() const {
    return std::any_of(since_.begin(), since_.end(),
                       [](const auto& one) { return Clock::now() - one.second < kMomentMax; });
  }
  /// Waits until no job is frozen, at most for `most`; returns at once when is_closed() is
  /// false.
  asio::awaitable<void> wait(std::chrono::milliseconds most) {
    const auto until = Clock::now() + most;
    while (is_closed() && Clock::now() < until) co_await over_.wait_until(until);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kMomentMax{2};

  Signal over_;
  std::map<std::string, Clock::time_point> since_;  ///< by migration
};

}  // namespace cardswap
