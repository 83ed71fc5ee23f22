#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <optional>

#include "cardswap/session.h"
#include "migrator/base/mutex.h"
#include "runtime/step_clock.h"

namespace cardswap {

/// The gate that the training thread passes at each boundary, and that can stop it there.
///
/// A boundary without attention (see has_attention()) costs a clock read and a few stores. While
/// the training thread is parked here, other threads may run closures on it. Parked: it waits at a
/// boundary until release(). Frozen: it is parked, and its agent was told so. Armed: it will be
/// parked at one boundary that was agreed on with others. Held: it waits at the step of hold_at(),
/// which is an operator's wish and no migration's; it may be parked meanwhile.
///
/// A retired gate returns `moved` once. A thread that comes after that does not go on: it waits
/// for the end of the process, and when `grace` is over it calls `end_process`, which does not
/// return.
class StepGate {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kGrace{60};

  /// What the gate calls, on the training thread. Each may be empty. What they throw leaves
  /// boundary(), and the training thread then waits no more.
  struct Callbacks {
    /// Called at a boundary that is watched, and at the last two up to a hold. While it is held:
    /// once for each watch(true) and watch_once().
    std::function<void()> on_boundary;
    std::function<void()> on_parked;     ///< each time it is parked
    std::function<void()> on_resume;     ///< just before it goes on after that; not if retired
    std::function<void()> on_begin;      ///< when it goes on, while steps are timed
    std::function<void()> on_held = {};  ///< once it is held; must not throw
    /// Called before it takes a step after it was parked or held; must not throw.
    std::function<void()> on_let_go = {};
  };

  explicit StepGate(Callbacks callbacks, void (*end_process)() = &std::abort,
                    std::chrono::milliseconds grace = kGrace)
      : callbacks_(std::move(callbacks)), end_process_(end_process), grace_(grace) {}

  /// What arm() says.
  struct ArmAnswer {
    bool is_set = false;
    /// Set: the step that it is set to. Late: the first one at which the gate could still park the
    /// training thread.
    std::uint64_t step = 0;
    bool operator==(const ArmAnswer&) const = default;
  };

  /// Passes a boundary; returns at once unless it has attention, and waits while it is to be
  /// parked. Called by the training thread; another thread's call waits while the training thread
  /// is parked.
  [[nodiscard]] StepResult boundary();
  /// Returns if this process may take an optimizer's step. Does not return after `moved`. Waits
  /// while another thread is at a boundary with attention.
  void wait_if_retired();

  /// Whether the next boundary may do more than count: it is watched, timed, to park, to hold
  /// within two steps, or retired.
  [[nodiscard]] bool has_attention() const {
    return attention_.load(std::memory_order_acquire) || is_within_hold(2) || is_logged_.load();
  }

  // Any thread; these do not wait, except run_parked():
  /// Turns the calls of `on_boundary` at every boundary on or off.
  void watch(bool on);
  /// Turns the same calls on or off for a log of the steps, whatever watch() says. Steps that are
  /// logged and no more are ordinary ones.
  void watch_for_log(bool on) { is_logged_ = on; }
  /// Calls `on_boundary` at the next boundary, once.
  void watch_once();
  /// Turns the calls of `on_begin` on or off, from the next boundary on. May be called in a
  /// callback.
  void time_steps(bool on);
  /// Parks the training thread at its next boundary, until release() or retire(). If it was
  /// released just before and has not gone on yet, it goes on first and is parked at the boundary
  /// after.
  void park();
  /// Parks the training thread at boundary `step`, and at no other, until disarm(), release() or
  /// retire(). Late, and without any effect, if the thread has passed that boundary, or is there
  /// and not parked, or the gate is retired: what is set is kept to. May be called again: the
  /// latest step that was set counts, and a thread that is parked for an earlier one goes on by
  /// itself, unless park() keeps it. A step that is set is reported by `on_parked`.
  [[nodiscard]] ArmAnswer arm(std::uint64_t step);
  /// Ends an arm(), and lets a training thread go on that is parked for it.
  void disarm();
  /// Lets the training thread go on, and ends a park() or an arm() that has not been reached yet.
  void release();
  /// Lets the training thread, which is parked, go on, and parks it again at its next boundary.
  void step_once();
  /// Makes the present or next boundary return `moved`.
  void retire();
  /// Holds the training thread at the first boundary of this step or a later one; 0: nowhere, and
  /// if it is held it goes on. Counts for the present boundary too, if it is parked there.
  void hold_at(std::uint64_t step);
  /// Slows the loop down: at each boundary with attention the training thread waits until the step
  /// has taken 1 / (1 - share) of its own time. `share` is below 1; 0 turns it off.
  void throttle(double share);
  /// Runs `task` on the training thread, which must be parked, and waits for its end; rethrows what
  /// it throws. False: the training thread is not parked, or is parked no more because `on_parked`
  /// threw, and nothing was done. Not on that thread.
  [[nodiscard]] bool run_parked(std::function<void()> task);

  /// How many boundaries were passed, or what set_step() has set. Any thread.
  [[nodiscard]] std::uint64_t step() const { return clock_.step(); }
  /// Sets the count of steps; only while the training thread is parked.
  void set_step(std::uint64_t step) { clock_.set_step(step); }
  /// When the step under way began, in ns of steady_clock: at the last boundary, or when it was
  /// last released or throttled there.
  [[nodiscard]] std::int64_t step_began_ns() const { return clock_.step_began_ns(); }
  /// The median duration of the latest 64 steps; 0 before two boundaries were passed.
  [[nodiscard]] double median_step_ms() const { return clock_.median_ms(); }
  /// Durations in ms of up to 64 latest steps: those whose boundary did nothing but count, and
  /// those given to note_ordinary().
  [[nodiscard]] std::vector<float> ordinary_ms() const { return clock_.ordinary_ms(); }
  /// Adds a duration to ordinary_ms(). Training thread only.
  void note_ordinary(double took_ms) { clock_.note_ordinary(static_cast<float>(took_ms)); }
  /// Whether the training thread is parked and was not released since.
  [[nodiscard]] bool is_parked() const { return is_parked_.load(); }
  /// Whether the training thread is held, parked or not.
  [[nodiscard]] bool is_held() const { return is_held_.load(); }
  /// Whether the boundary of the present step is one at which it is to be held.
  [[nodiscard]] bool must_hold() const { return is_within_hold(0); }
  /// Whether it is to be held within `steps` steps from now, or already.
  [[nodiscard]] bool is_within_hold(std::uint64_t steps) const {
    const auto at = hold_at_.load();
    return at != 0 && step() + steps >= at;
  }

 private:
  /// What comes after a look at a boundary.
  enum class Next : std::uint8_t { proceed, moved, hold };

  [[nodiscard]] StepResult attend() CARDSWAP_REQUIRES(turn_);
  /// Calls `on_boundary` if this boundary is watched or, when it is not the `first` look, if
  /// somebody has asked for one since.
  void look(bool first);
  /// Waits while it is to be parked.
  [[nodiscard]] Next pass_parked(bool& stood);
  /// Calls `on_held`, or waits until it may go on or there is something to do.
  void hold();
  void leave(bool stood);
  /// Calls `on_parked`. If it throws, the thread is parked no more, and the waiting tasks end.
  void call_on_parked();
  [[nodiscard]] bool is_timed();
  [[nodiscard]] StepResult say_moved() CARDSWAP_REQUIRES(turn_);
  void block_if_retired() const CARDSWAP_REQUIRES(turn_);
  void apply_throttle(MutexLock& lock) CARDSWAP_REQUIRES(mutex_);
  /// Whether the training thread has to be parked at the boundary at which it is.
  [[nodiscard]] bool must_park_here() const CARDSWAP_REQUIRES(mutex_);
  /// Computes the attention again, after one of its conditions has changed.
  void set_attention() CARDSWAP_REQUIRES(mutex_);

  const Callbacks callbacks_;
  void (*const end_process_)();
  const std::chrono::milliseconds grace_;
  StepClock clock_;
  std::atomic<bool> attention_{false};  // for all but a hold and a log
  std::atomic<bool> is_logged_{false};
  std::atomic<bool> is_parked_{false};
  std::atomic<bool> is_held_{false};
  std::atomic<std::uint64_t> hold_at_{0};  // changed with mutex_ held
  Mutex turn_;  // held by the thread that is at a boundary with attention
  /// When `moved` was returned, of steady_clock; 0: not yet.
  std::int64_t gone_ns_ CARDSWAP_GUARDED_BY(turn_) = 0;

  Mutex mutex_;
  Condition changed_;
  bool watched_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool timed_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool watch_once_ CARDSWAP_GUARDED_BY(mutex_) = false;
  bool look_again_ CARDSWAP_GUARDED_BY(mutex_) = false;  // if it is held
  bool park_ CARDSWAP_GUARDED_BY(mutex_) = false;
  std::optional<std::uint64_t> armed_for_ CARDSWAP_GUARDED_BY(mutex_);
  bool once_ CARDSWAP_GUARDED_BY(mutex_) = false;  // step_once(), and it has not gone on yet
  bool retired_ CARDSWAP_GUARDED_BY(mutex_) = false;
  double throttle_ CARDSWAP_GUARDED_BY(mutex_) = 0;
  std::deque<std::packaged_task<void()>> tasks_ CARDSWAP_GUARDED_BY(mutex_);
};

}  // namespace cardswap
