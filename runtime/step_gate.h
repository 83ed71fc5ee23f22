#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>

#include "cardswap/session.h"
#include "migrator/base/mutex.h"
#include "runtime/step_clock.h"

namespace cardswap {

/// Stands where the training thread passes each boundary, and can stop it there.
///
/// A boundary of which nobody asked anything costs a clock read, a check that this is still the
/// same process, and a few stores. While the training thread stands here, others may run closures
/// on it.
///
/// A retired gate says `migrated` once. A thread that comes after that does not go on: it waits for
/// the end of the process, and when `grace` is over it calls `end_process`, which does not return.
class StepGate {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kGrace{60};

  /// What the gate calls.
  struct Callbacks {
    std::function<void()> on_boundary;  ///< on the training thread, at a boundary, when watched
    std::function<void()> on_parked;    ///< on the training thread, once it stands
    std::function<void()> on_resume;    ///< on the training thread, just before it goes on
    std::function<void()> on_begin;     ///< on the training thread, as it goes on, when timed
  };

  explicit StepGate(Callbacks callbacks, void (*end_process)() = &std::abort,
                    std::chrono::milliseconds grace = kGrace)
      : callbacks_(std::move(callbacks)), end_process_(end_process), grace_(grace) {}

  /// Passes a boundary: the training thread's call. Another thread's waits while one stands.
  [[nodiscard]] StepResult boundary();
  /// Returns if this process may take an optimizer's step; at once while nobody stands at a
  /// boundary.
  void wait_if_retired();

  /// Whether the next boundary may do more than count.
  [[nodiscard]] bool has_attention() const { return attention_.load(std::memory_order_acquire); }

  // Any other thread:
  /// Calls `on_boundary` at every boundary from now on, or not any more.
  void watch(bool on);
  /// Calls `on_boundary` at the next boundary, once.
  void watch_once();
  /// Calls `on_begin` where a step begins, from the next boundary on, or not any more. Also at a
  /// boundary.
  void time_steps(bool on);
  /// Makes the training thread stand at its next boundary, until release() or retire(). One that
  /// stands and was released just before goes on first, and stands anew.
  void park();
  void release();
  /// The training thread, which stands, goes on and stands again at its next boundary.
  void step_once();
  void retire();
  /// Keeps the training thread, while watched, at each boundary until a step takes 1 / (1 - share)
  /// of its own time; 0: does not.
  void throttle(double share);
  /// Runs `task` on the training thread, which must stand; rethrows what it throws. False: it does
  /// not stand, or not any more, and nothing was done.
  [[nodiscard]] bool run_parked(std::function<void()> task);

  [[nodiscard]] std::uint64_t step() const { return clock_.step(); }
  /// Sets the count of steps; only while the training thread stands.
  void set_step(std::uint64_t step) { clock_.set_step(step); }
  [[nodiscard]] std::int64_t step_began_ns() const { return clock_.step_began_ns(); }
  [[nodiscard]] double median_step_ms() const { return clock_.median_ms(); }
  /// What the latest steps took at whose end no attention was paid; and one that was timed.
  [[nodiscard]] std::vector<float> ordinary_ms() const { return clock_.ordinary_ms(); }
  /// The training thread.
  void note_ordinary(double took_ms) { clock_.note_ordinary(static_cast<float>(took_ms)); }
  /// Whether it stands, and was not let go since.
  [[nodiscard]] bool is_parked() const { return is_parked_.load(); }

 private:
  [[nodiscard]] StepResult stand() CARDSWAP_REQUIRES(turn_);
  [[nodiscard]] bool is_timed();
  [[nodiscard]] StepResult say_moved() CARDSWAP_REQUIRES(turn_);
  void block_if_retired() const CARDSWAP_REQUIRES(turn_);
  void apply_throttle(MutexLock& lock) CARDSWAP_REQUIRES(mutex_);
  /// Sets the attention anew, after what it depends on has changed.
  void set_attention() CARDSWAP_REQUIRES(mutex_);

  const Callbacks callbacks_;
  void (*const end_process_)();
  const std::chrono::milliseconds grace_;
  StepClock clock_;
  std::atomic<bool> attention_{false};
  std::atomic<bool> is_parked_{false};
  Mutex turn_;  // of the thread that is at a boundary to which attention is paid
  std::int64_t gone_ns_ CARDSWAP_GUARDED_BY(turn_) = 0;  // when `migrated` was said; 0: it was not

  Mutex mutex_;
  Condition changed_;
  bool watched_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool timed_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool watch_once_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool park_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool retired_ CARDSWAP_GUARDED_BY(mutex_) = false;
  double throttle_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::deque<std::packaged_task<void()>> tasks_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap
