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

/// The gate that the training thread passes at each boundary, and that can stop it there.
///
/// A boundary without attention (see has_attention()) costs a clock read and a few stores. While
/// the training thread stands here, other threads may run closures on it.
///
/// A retired gate returns `migrated` once. A thread that comes after that does not go on: it waits
/// for the end of the process, and when `grace` is over it calls `end_process`, which does not
/// return.
class StepGate {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kGrace{60};

  /// What the gate calls, on the training thread. Each may be empty. What they throw leaves
  /// boundary().
  struct Callbacks {
    std::function<void()> on_boundary;  ///< at a boundary that is watched
    std::function<void()> on_parked;    ///< each time it begins to stand
    std::function<void()> on_resume;    ///< after it stood, just before it goes on; not if retired
    std::function<void()> on_begin;     ///< when it goes on, while steps are timed
  };

  explicit StepGate(Callbacks callbacks, void (*end_process)() = &std::abort,
                    std::chrono::milliseconds grace = kGrace)
      : callbacks_(std::move(callbacks)), end_process_(end_process), grace_(grace) {}

  /// Passes a boundary; returns at once unless it has attention, and waits while it is to stand.
  /// Called by the training thread; another thread's call waits while the training thread stands.
  [[nodiscard]] StepResult boundary();
  /// Returns if this process may take an optimizer's step. Does not return after `migrated`. Waits
  /// while another thread is at a boundary with attention.
  void wait_if_retired();

  /// Whether the next boundary may do more than count: it is watched, timed, to stand or retired.
  [[nodiscard]] bool has_attention() const { return attention_.load(std::memory_order_acquire); }

  // Any thread; these do not wait, except run_parked():
  /// Turns the calls of `on_boundary` at every boundary on or off.
  void watch(bool on);
  /// Calls `on_boundary` at the next boundary, once.
  void watch_once();
  /// Turns the calls of `on_begin` on or off, from the next boundary on. May be called in a
  /// callback.
  void time_steps(bool on);
  /// Makes the training thread stand at its next boundary, until release() or retire(). If it was
  /// released just before and has not gone on yet, it goes on first and stands at the boundary
  /// after.
  void park();
  /// Lets the training thread go on, and ends a park() that has not been reached yet.
  void release();
  /// Lets the training thread, which stands, go on and makes it stand again at its next boundary.
  void step_once();
  /// Makes the present or next boundary return `migrated`.
  void retire();
  /// Slows the loop down: at each boundary with attention the training thread waits until the step
  /// has taken 1 / (1 - share) of its own time. `share` is below 1; 0 turns it off.
  void throttle(double share);
  /// Runs `task` on the training thread, which must stand, and waits for its end; rethrows what it
  /// throws. False: the training thread does not stand, and nothing was done. Not on that thread.
  [[nodiscard]] bool run_parked(std::function<void()> task);

  /// How many boundaries were passed, or what set_step() has set. Any thread.
  [[nodiscard]] std::uint64_t step() const { return clock_.step(); }
  /// Sets the count of steps; only while the training thread stands.
  void set_step(std::uint64_t step) { clock_.set_step(step); }
  /// When the step under way began, in ns of steady_clock: at the last boundary, or after a stand
  /// or a throttle there.
  [[nodiscard]] std::int64_t step_began_ns() const { return clock_.step_began_ns(); }
  /// The median duration of the latest 64 steps; 0 before two boundaries were passed.
  [[nodiscard]] double median_step_ms() const { return clock_.median_ms(); }
  /// Durations in ms of up to 64 latest steps: those whose boundary did nothing but count, and
  /// those given to note_ordinary().
  [[nodiscard]] std::vector<float> ordinary_ms() const { return clock_.ordinary_ms(); }
  /// Adds a duration to ordinary_ms(). Training thread only.
  void note_ordinary(double took_ms) { clock_.note_ordinary(static_cast<float>(took_ms)); }
  /// Whether the training thread stands and was not released since.
  [[nodiscard]] bool is_parked() const { return is_parked_.load(); }

 private:
  [[nodiscard]] StepResult stand() CARDSWAP_REQUIRES(turn_);
  [[nodiscard]] bool is_timed();
  [[nodiscard]] StepResult say_moved() CARDSWAP_REQUIRES(turn_);
  void block_if_retired() const CARDSWAP_REQUIRES(turn_);
  void apply_throttle(MutexLock& lock) CARDSWAP_REQUIRES(mutex_);
  /// Computes the attention again, after one of its conditions has changed.
  void set_attention() CARDSWAP_REQUIRES(mutex_);

  const Callbacks callbacks_;
  void (*const end_process_)();
  const std::chrono::milliseconds grace_;
  StepClock clock_;
  std::atomic<bool> attention_{false};
  std::atomic<bool> is_parked_{false};
  Mutex turn_;  // held by the thread that is at a boundary with attention
  /// When `migrated` was returned, of steady_clock; 0: not yet.
  std::int64_t gone_ns_ CARDSWAP_GUARDED_BY(turn_) = 0;

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
