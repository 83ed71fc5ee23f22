#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "agent/base/task_group.h"

namespace cardswap {

/// Knows whether a job of this host stands still for its handover. When many callers come at once,
/// they wait until that is over, because the agent works for the job meanwhile. One thread.
class HandoverGate {
 public:
  /// `migration` has begun to hold its job still, or has ended to; both may be said twice.
  void note(const std::string& migration, bool stands_still) {
    if (stands_still) {
      since_.emplace(migration, Clock::now());
    } else if (since_.erase(migration) > 0) {
      over_.notify();
    }
  }
  /// Whether a job stands still, and has for less than 2 s. A longer one does not count: nobody
  /// waits for a link that is cut or for an operator's decision.
  [[nodiscard]] bool is_closed() const {
    return std::any_of(since_.begin(), since_.end(),
                       [](const auto& one) { return Clock::now() - one.second < kMomentMax; });
  }
  /// Waits until no job stands still, at most for `most`; returns at once when is_closed() is
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
