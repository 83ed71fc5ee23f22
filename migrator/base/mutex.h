#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

// The code says what a mutex guards, and clang's -Wthread-safety checks it; for other compilers
// these macros are empty. scripts/check_locks.py runs clang over every source that names a Mutex,
// or whose own header does.
#if defined(__clang__)
#define CARDSWAP_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define CARDSWAP_THREAD_SAFETY(attribute)
#endif
/// Marks a member that is read and written only with `mutex` held.
#define CARDSWAP_GUARDED_BY(mutex) CARDSWAP_THREAD_SAFETY(guarded_by(mutex))
/// Marks a function whose caller holds `mutex`.
#define CARDSWAP_REQUIRES(mutex) CARDSWAP_THREAD_SAFETY(requires_capability(mutex))
/// Marks a function that calls assert_held(): after it clang assumes that `mutex` is held. For
/// facts that clang cannot see, for example that two objects share one mutex.
#define CARDSWAP_ASSERTS_HELD(mutex) CARDSWAP_THREAD_SAFETY(assert_capability(mutex))

namespace cardswap {

/// std::mutex with the attributes for clang's check.
class CARDSWAP_THREAD_SAFETY(capability("mutex")) Mutex {
 public:
  void lock() CARDSWAP_THREAD_SAFETY(acquire_capability()) {
    mutex_.lock();
    note_held();
  }
  void unlock() CARDSWAP_THREAD_SAFETY(release_capability()) {
    note_free();
    mutex_.unlock();
  }
  /// Asserts that this thread holds the mutex. Does nothing in a build without assertions.
  void assert_held() const CARDSWAP_ASSERTS_HELD(this) {
    assert(holder_.load(std::memory_order_relaxed) == std::this_thread::get_id());
  }

 private:
  friend class MutexLock;
  friend class Condition;
#if defined(NDEBUG)
  void note_held() {}
  void note_free() {}
#else
  void note_held() { holder_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  void note_free() { holder_.store({}, std::memory_order_relaxed); }
  std::atomic<std::thread::id> holder_{};
#endif
  std::mutex mutex_;
};

/// Holds a mutex for a scope. It may be unlocked and locked again in between.
class CARDSWAP_THREAD_SAFETY(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CARDSWAP_THREAD_SAFETY(acquire_capability(mutex))
      : mutex_(mutex), lock_(mutex.mutex_) {
    mutex_.note_held();
  }
  ~MutexLock() CARDSWAP_THREAD_SAFETY(release_capability()) {
    if (lock_.owns_lock()) mutex_.note_free();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() CARDSWAP_THREAD_SAFETY(acquire_capability()) {
    lock_.lock();
    mutex_.note_held();
  }
  void unlock() CARDSWAP_THREAD_SAFETY(release_capability()) {
    mutex_.note_free();
    lock_.unlock();
  }

 private:
  friend class Condition;
  Mutex& mutex_;
  std::unique_lock<std::mutex> lock_;
};

/// std::condition_variable. Waits take no predicate, because clang does not know that a lambda runs
/// with the mutex held. Callers loop: `while (!ready_) changed_.wait(lock);`.
class Condition {
 public:
  /// `lock` must be held. It is unlocked during the wait and held again afterwards.
  void wait(MutexLock& lock) {
    lock.mutex_.note_free();
    condition_.wait(lock.lock_);
    lock.mutex_.note_held();
  }
  /// Waits like wait(), but not longer than `until`. False: `until` came first.
  template <class Clock, class Duration>
  bool wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& until) {
    lock.mutex_.note_free();
    const auto status = condition_.wait_until(lock.lock_, until);
    lock.mutex_.note_held();
    return status == std::cv_status::no_timeout;
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace cardswap
