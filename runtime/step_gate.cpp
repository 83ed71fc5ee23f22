#include "runtime/step_gate.h"

#include <thread>
#include <utility>

namespace cardswap {

StepResult StepGate::boundary() {
  const bool ordinary = !attention_.load(std::memory_order_acquire) && !is_within_hold(2);
  if (ordinary) {
    clock_.count(true);
    // arm() asks for attention and then reads the count: either it sees this step, or it is seen
    // here. is_within_hold(1) is the same boundaries as is_within_hold(2) before the count.
    if (!attention_.load(std::memory_order_seq_cst) && !is_within_hold(1) && !is_logged_.load())
      return StepResult::proceed;
  }
  const MutexLock turn(turn_);
  block_if_retired();
  if (!ordinary) clock_.count(false);
  const auto result = attend();
  if (result == StepResult::proceed && is_timed()) callbacks_.on_begin();
  return result;
}

void StepGate::wait_if_retired() {
  if (!has_attention()) return;
  const MutexLock turn(turn_);
  block_if_retired();
}

/// Nothing wakes it, and the gate may be destroyed meanwhile with its session: it uses local copies
/// only.
void StepGate::block_if_retired() const {
  if (gone_ns_ == 0) return;
  auto* const end = end_process_;
  const auto until = Clock::time_point(Clock::duration(gone_ns_)) + grace_;
  std::this_thread::sleep_until(until);
  end();
}

StepResult StepGate::attend() {
  look(true);
  {
    MutexLock lock(mutex_);
    if (throttle_ > 0) apply_throttle(lock);
  }
  bool stood = false;
  while (true) {
    switch (pass_parked(stood)) {
      case Next::proceed: leave(stood); return StepResult::proceed;
      case Next::moved: is_held_ = false; return say_moved();
      case Next::hold: break;
    }
    stood = true;
    hold();
    look(false);
  }
}

void StepGate::look(bool first) {
  bool wanted = false;
  {
    const MutexLock lock(mutex_);
    const bool once = std::exchange(watch_once_, false);
    const bool again = std::exchange(look_again_, false);
    wanted = once || (first ? watched_ || is_logged_ || is_within_hold(1) : again);
    set_attention();
  }
  if (wanted && callbacks_.on_boundary) callbacks_.on_boundary();
}

StepGate::Next StepGate::pass_parked(bool& stood) {
  MutexLock lock(mutex_);
  if (!must_park_here()) return retired_ ? Next::moved : must_hold() ? Next::hold : Next::proceed;
  is_parked_ = stood = true;
  lock.unlock();
  call_on_parked();
  lock.lock();
  while ((must_park_here() && is_parked_) || !tasks_.empty()) {
    if (tasks_.empty()) {
      changed_.wait(lock);
      continue;
    }
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
  is_parked_ = false;
  const bool retired = retired_;
  const bool once = std::exchange(once_, false);
  lock.unlock();
  if (retired) return Next::moved;
  if (callbacks_.on_resume) callbacks_.on_resume();
  return once || !must_hold() ? Next::proceed : Next::hold;
}

void StepGate::hold() {
  if (!is_held_.exchange(true)) {
    if (callbacks_.on_held) callbacks_.on_held();
    return;
  }
  MutexLock lock(mutex_);
  while (must_hold() && !must_park_here() && !retired_ && !watch_once_ && !look_again_)
    changed_.wait(lock);
}

void StepGate::leave(bool stood) {
  if (!stood) return;
  is_held_ = false;
  if (callbacks_.on_let_go) callbacks_.on_let_go();
  clock_.begin_anew();
}

void StepGate::call_on_parked() {
  if (!callbacks_.on_parked) return;
  try {
    callbacks_.on_parked();
  } catch (...) {
    std::deque<std::packaged_task<void()>> unrun;  // run_parked() returns false for these
    const MutexLock lock(mutex_);
    is_parked_ = false;
    unrun.swap(tasks_);
    throw;
  }
}

/// The thread that returns `moved` is the last one that leaves a boundary.
StepResult StepGate::say_moved() {
  gone_ns_ = Clock::now().time_since_epoch().count();
  return StepResult::moved;
}

void StepGate::apply_throttle(MutexLock& lock) {
  const auto own_ms = clock_.latest_ms();
  const auto most_ms = own_ms / (1 - throttle_);
  const auto until =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(
                         std::chrono::duration<double, std::milli>(most_ms - own_ms));
  while (!must_park_here() && !retired_ && throttle_ > 0 && changed_.wait_until(lock, until)) {
  }
  // The next step is measured from here; a trainer that is to park ended its step before the
  // throttle.
  if (!must_park_here()) clock_.begin_anew();
}

void StepGate::throttle(double share) {
  const MutexLock lock(mutex_);
  throttle_ = share;
  changed_.notify_all();
}

void StepGate::watch(bool on) {
  const MutexLock lock(mutex_);
  watched_ = on;
  look_again_ = on;
  set_attention();
  changed_.notify_all();
}

void StepGate::time_steps(bool on) {
  const MutexLock lock(mutex_);
  timed_ = on && callbacks_.on_begin;
  set_attention();
}

bool StepGate::is_timed() {
  const MutexLock lock(mutex_);
  return timed_;
}

void StepGate::watch_once() {
  const MutexLock lock(mutex_);
  watch_once_ = true;
  set_attention();
  changed_.notify_all();
}

bool StepGate::must_park_here() const {
  return park_ || (armed_for_ && clock_.step() >= *armed_for_);
}

void StepGate::set_attention() {
  const bool parks = park_ || armed_for_.has_value();
  attention_.store(watched_ || watch_once_ || timed_ || parks || retired_,
                   std::memory_order_seq_cst);
}

void StepGate::park() {
  const MutexLock lock(mutex_);
  park_ = true;
  attention_.store(true, std::memory_order_release);
  changed_.notify_all();
}

StepGate::ArmAnswer StepGate::arm(std::uint64_t step) {
  const MutexLock lock(mutex_);
  // From here on the training thread takes the mutex at its next boundary, before it leaves it.
  attention_.store(true, std::memory_order_seq_cst);
  const auto done = clock_.step();
  const auto earliest = is_parked_ ? done : done + 1;
  const bool late = step < earliest || retired_;
  if (!late) {
    armed_for_ = step;
    // It goes on first, even if it is parked again before it wakes.
    if (!must_park_here()) is_parked_ = false;
    changed_.notify_all();
  }
  set_attention();
  return {!late, late ? earliest : step};
}

void StepGate::disarm() {
  const MutexLock lock(mutex_);
  armed_for_.reset();
  if (!park_) is_parked_ = false;
  set_attention();
  changed_.notify_all();
}

void StepGate::release() {
  const MutexLock lock(mutex_);
  park_ = once_ = false;
  armed_for_.reset();
  is_parked_ = false;  // even if it is parked again before it wakes: it must go on first
  set_attention();
  changed_.notify_all();
}

void StepGate::step_once() {
  const MutexLock lock(mutex_);
  park_ = once_ = true;
  is_parked_ = false;
  set_attention();
  changed_.notify_all();
}

void StepGate::hold_at(std::uint64_t step) {
  const MutexLock lock(mutex_);
  hold_at_ = step;
  changed_.notify_all();
}

void StepGate::retire() {
  const MutexLock lock(mutex_);
  retired_ = true;
  park_ = false;
  armed_for_.reset();
  attention_.store(true, std::memory_order_release);
  changed_.notify_all();
}

bool StepGate::run_parked(std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  auto done = packaged.get_future();
  {
    const MutexLock lock(mutex_);
    if (!is_parked_) return false;  // no thread would run it
    tasks_.push_back(std::move(packaged));
    changed_.notify_all();
  }
  try {
    done.get();
  } catch (const std::future_error& error) {
    if (error.code() != std::future_errc::broken_promise) throw;
    return false;  // call_on_parked() has dropped it
  }
  return true;
}

}  // namespace cardswap
