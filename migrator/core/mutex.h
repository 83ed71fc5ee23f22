#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// What a mutex guards is said in code, and clang's -Wthread-safety holds it; other compilers see
// nothing of it. scripts/check_locks.py runs clang over every source that names a Mutex, or whose
// own header does.
#if defined(__clang__)
#define CARDSWAP_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define CARDSWAP_THREAD_SAFETY(attribute)
#endif
/// Of a member: it is read and written only with `mutex` held.
#define CARDSWAP_GUARDED_BY(mutex) CARDSWAP_THREAD_SAFETY(guarded_by(mutex))
/// Of a function: its caller holds `mutex`.
#define CARDSWAP_REQUIRES(mutex) CARDSWAP_THREAD_SAFETY(requires_capability(mutex))
/// Of a function: it may use guarded members although clang cannot see why. Say why beside it.
#define CARDSWAP_UNCHECKED CARDSWAP_THREAD_SAFETY(no_thread_safety_analysis)

namespace cardswap {

/// std::mutex, which clang knows as one.
class CARDSWAP_THREAD_SAFETY(capability("mutex")) Mutex {
 public:
  void lock() CARDSWAP_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() CARDSWAP_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

/// Holds a mutex for a scope; may let go of it and take it again in between.
class CARDSWAP_THREAD_SAFETY(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) CARDSWAP_THREAD_SAFETY(acquire_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~MutexLock() CARDSWAP_THREAD_SAFETY(release_capability()) {}  // NOLINT: it is not trivial
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() CARDSWAP_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }
  void unlock() CARDSWAP_THREAD_SAFETY(release_capability()) { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

/// std::condition_variable. Waits have no predicate: clang does not know that a lambda runs with
/// the mutex held, so callers loop: `while (!ready_) changed_.wait(lock);`.
class Condition {
 public:
  /// `lock` is held, let go of while this waits, and held again after.
  void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
  /// False: `until` came first.
  template <class Clock, class Duration>
  bool wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& until) {
    return condition_.wait_until(lock.lock_, until) == std::cv_status::no_timeout;
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace cardswap
