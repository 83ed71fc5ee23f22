#pragma once

#include <chrono>

#include "migrator/base/mutex.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {

/// Passes what other threads tell to the test that waits for it. While those threads run, the
/// test's variables for it are written in note() and read in within() and look() only.
class Notes {
 public:
  /// Calls `change` with the lock held, and wakes within().
  template <class Change>
  void note(Change change) {
    const MutexLock lock(mutex_);
    change();
    changed_.notify_all();
  }
  /// Waits until `until()` is true; false: `limit`, times kPatience, passed first.
  template <class Until>
  bool within(std::chrono::steady_clock::duration limit, Until until) {
    const auto end = std::chrono::steady_clock::now() + limit * kPatience;
    MutexLock lock(mutex_);
    while (!until()) {
      if (!changed_.wait_until(lock, end)) return until();
    }
    return true;
  }
  /// Calls `action` with the lock held and returns its result.
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
