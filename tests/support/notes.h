#pragma once

#include <chrono>

#include "migrator/base/mutex.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {

/// What other threads tell a test, and what the test waits for: whatever it keeps of that is
/// written by note() and read by within() and look() while the threads are there.
class Notes {
 public:
  template <class Change>
  void note(Change change) {
    const MutexLock lock(mutex_);
    change();
    changed_.notify_all();
  }
  /// Waits for it. False: `limit`, and more of it under a sanitizer, passed first.
  template <class Until>
  bool within(std::chrono::steady_clock::duration limit, Until until) {
    const auto end = std::chrono::steady_clock::now() + limit * kPatience;
    MutexLock lock(mutex_);
    while (!until()) {
      if (!changed_.wait_until(lock, end)) return until();
    }
    return true;
  }
  template <class Action>
  auto look(Action action) {
    const MutexLock lock(mutex_);
    return action();
  }

 private:
  Mutex mutex_;
  Condition changed_;
};

}  // namespace cardswap::test
