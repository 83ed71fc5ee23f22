#include "runtime/roles/log_role.h"

#include <exception>
#include <utility>

namespace cardswap {
namespace {

/// It takes two boundaries to see which gradients outlive one.
constexpr int kBeforeTheLog = 2;

/// Whether two orders differ by no more than the snapshot that the log may count on.
bool is_same_log(channel::KeepLog one, const channel::KeepLog& other) {
  one.base_step = other.base_step;
  return one == other;
}

}  // namespace

void LogRole::order(const channel::KeepLog& order) {
  {
    const MutexLock lock(mutex_);
    order_ = order;
    repeats_ = true;
  }
  const bool on = order.mode != channel::LogMode::off;
  if (on) is_on_ = true;
  context_.gate.watch_for_log(on);
  context_.gate.watch_once();  // at the next boundary the training thread ends what was there
}

void LogRole::repeat_report() {
  const MutexLock lock(mutex_);
  repeats_ = true;
}

void LogRole::report() {
  std::vector<std::shared_ptr<StepRecorder>> over;
  std::shared_ptr<StepRecorder> recorder;
  channel::Logged now;
  bool again = false;
  {
    const MutexLock lock(mutex_);
    if (order_ != channel::KeepLog{}) now.order = digest_of(channel::encode(order_));
    recorder = recorder_;
    over.swap(over_);
    now.failure = failure_;
    again = std::exchange(repeats_, false) && now.order != Digest{};
  }
  if (recorder) {
    const auto figures = recorder->figures();
    now.from = figures.kept_from;
    now.to = figures.logged;
    now.behind = figures.behind;
    now.dropped = figures.dropped;
    now.dropped_step = figures.dropped_step;
    now.unproven = figures.unproven;
    now.kept_bytes = figures.kept_bytes;
    now.waited_ms = figures.waited_ms;
    if (!figures.failure.empty()) now.failure = figures.failure;
  }
  {
    const MutexLock lock(mutex_);
    if (!again && told_ == now) return;
    told_ = now;
  }
  context_.send(now);
}

bool LogRole::is_mine() const { return !is_standby(context_.state()) && context_.epoch != 0; }

void LogRole::before_step(const Capture& capture) {
  std::shared_ptr<StepRecorder> recorder;
  {
    const MutexLock lock(mutex_);
    recorder = recorder_;
  }
  if (!recorder) return;
  try {
    recorder->before_update(capture());
  } catch (...) {  // it ends the log, not the loop
    fail(error_of(std::current_exception()).what());
  }
}

void LogRole::on_boundary(bool is_read) {
  if (!is_on_ || !is_mine()) return;
  channel::KeepLog order;
  {
    const MutexLock lock(mutex_);
    order = order_;
  }
  try {
    follow(order);
    // One that is held is looked at again without a step between.
    const auto step = context_.gate.step();
    if (std::exchange(latest_step_, step) != step && is_on_) record(order, is_read);
  } catch (...) {
    fail(error_of(std::current_exception()).what());
  }
}

void LogRole::follow(const channel::KeepLog& order) {
  const auto before = std::exchange(followed_, order);
  if (is_same_log(before, order)) return;
  set_recorder(nullptr);
  boundaries_seen_ = 0;
  const MutexLock lock(mutex_);
  failure_.clear();
  is_on_ = order_.mode != channel::LogMode::off;  // the latest: another may have come meanwhile
}

void LogRole::record(const channel::KeepLog& order, bool is_read) {
  auto& tracker = context_.tracker();
  if (!is_read) tracker.on_boundary(false);
  std::shared_ptr<StepRecorder> recorder;
  {
    const MutexLock lock(mutex_);
    if (!failure_.empty()) return;  // until there is another order
    recorder = recorder_;
  }
  if (!recorder && ++boundaries_seen_ < kBeforeTheLog) return;
  auto view = std::make_shared<StateView>(tracker.state_view());
  view->step = context_.gate.step();
  if (recorder && recorder->epoch() == context_.epoch) {
    recorder->set_base(order.base_step);
    if (recorder->on_boundary(view)) {
      if (order.mode == channel::LogMode::sync) recorder->wait();
      return;
    }
  }
  recorder.reset();
  set_recorder(nullptr);  // first: what it had not written yet is left out
  set_recorder(std::make_shared<StepRecorder>(order, job_, context_.epoch, writer_, tracker, view));
}

void LogRole::set_recorder(std::shared_ptr<StepRecorder> recorder) {
  MutexLock lock(mutex_);
  recorder_.swap(recorder);
  lock.unlock();
  if (!recorder) return;
  recorder->stop_reading();
  lock.lock();
  over_.push_back(std::move(recorder));
}

void LogRole::fail(const std::string& why) {
  set_recorder(nullptr);
  const MutexLock lock(mutex_);
  failure_ = why;
}

void LogRole::stop() {
  set_recorder(nullptr);
  std::vector<std::shared_ptr<StepRecorder>> over;
  const MutexLock lock(mutex_);
  over.swap(over_);  // destroyed behind the lock
}

}  // namespace cardswap
