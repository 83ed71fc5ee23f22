#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "agent/base/task_group.h"

namespace cardswap {

/// Knows whether a job of this host stands still for its handover. Callers that come in crowds wait
/// until that is over, because the agent works for the job meanwhile. One thread.
class HandoverGate {
 public:
  void note(const std::string& migration, bool stands_still) {
    if (stands_still) {
      since_.emplace(migration, Clock::now());
    } else if (since_.erase(migration) > 0) {
      over_.notify();
    }
  }
  /// Whether it is such a moment. One that lasts is none: nobody waits for a link that is cut or an
  /// operator that decides.
  [[nodiscard]] bool is_closed() const {
    return std::any_of(since_.begin(), since_.end(),
                       [](const auto& one) { return Clock::now() - one.second < kMomentMax; });
  }
  /// Waits for the moment's end, or for `most`; returns at once when no job stands still.
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
