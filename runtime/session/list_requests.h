#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// The requests for lists of the state that wait for the next boundary. Any thread.
class ListRequests {
 public:
  /// Adds a request. Returns the answer that refuses it, if too many wait already; else nullopt.
  [[nodiscard]] std::optional<channel::StateList> add(std::uint64_t request, std::uint64_t step) {
    const MutexLock lock(mutex_);
    if (waiting_.size() < kMost) {
      waiting_.push_back(request);
      return std::nullopt;
    }
    channel::StateList none{.request = request, .step = step};
    none.refusal = fmt::format("{} wait for this job's next step boundary already", kMost);
    return none;
  }
  /// Removes the requests, and returns them.
  [[nodiscard]] std::vector<std::uint64_t> take() {
    const MutexLock lock(mutex_);
    return std::exchange(waiting_, {});
  }

 private:
  static constexpr std::size_t kMost = 16;
  Mutex mutex_;
  std::vector<std::uint64_t> waiting_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap
