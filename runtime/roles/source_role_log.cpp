// A migration to a standby, on the training thread: what is captured at each step and boundary.

#include <exception>
#include <optional>
#include <utility>

#include "runtime/roles/source_role.h"

namespace cardswap {
namespace {

/// Which gradients outlive a boundary is seen between two of them.
constexpr int kBeforeTheStart = 2;

}  // namespace

bool SourceRole::look_at_state() {
  const bool is_second = ++boundaries_seen_ == kBeforeTheStart;
  context_.tracker.passing(is_second);
  if (begin_ && !engine_) {
    if (boundaries_seen_ < kBeforeTheStart) return false;
    if (const auto obstacle = context_.line.obstacle(Arrival::standby)) {
      throw Error(*obstacle);
    }
  }
  latest_ = view();
  if (log_) end_logged_step();
  return true;
}

StateView SourceRole::view() {
  auto now = context_.tracker.state_view();
  now.step = context_.gate.step();
  // While updates are logged, what they rewrite changes with the layout only.
  const bool same = log_ && latest_ && latest_->layout == now.layout;
  now.shards = same ? latest_->shards
                    : std::make_shared<const std::vector<Shard>>(context_.tracker.shards());
  return now;
}

void SourceRole::end_logged_step() {
  const auto step = context_.gate.step();
  window_->open(step, latest_->fence);
  if (!std::exchange(captured_, false)) {
    // A step that was skipped, or taken behind the session's back: the log must not have a hole.
    UpdateEntry entry;
    entry.step = step;
    log_->append(std::move(entry));
    if (is_held(context_.side().state())) context_.gate.park();
  }
  log_->end_step(step);
}

void SourceRole::before_step(const void* optimizer) {
  std::shared_ptr<UpdateLog> log;
  std::shared_ptr<StateWindow> window;
  {
    const MutexLock lock(context_.mutex);
    if (log_ && log_->closed()) {
      log_.reset();
      window_.reset();
      if (is_held(context_.side().state())) context_.gate.park();
    }
    log = log_;
    window = window_;
  }
  if (!log) return;
  std::optional<UpdateEntry> entry;
  try {
    entry = context_.tracker.capture(optimizer);
  } catch (...) {  // such as no memory for a gradient's copy: the agent's news, not the loop's
    const MutexLock lock(context_.mutex);
    context_.fail(context_.side().migration(), error_of(std::current_exception()));
  }
  if (!entry) return;
  entry->step = context_.gate.step() + 1;
  log->append(std::move(*entry));  // may wait for room
  captured_ = true;
  bool last = log->holds_each();
  {
    const MutexLock lock(context_.mutex);
    last = last || (is_held(context_.side().state()) && log_ == log);
  }
  if (last) {
    // Its gradients go over before the step is taken here: the target takes it at the same time.
    log->wait_until_sent(context_.gate.step() + 1);
    const MutexLock lock(context_.mutex);
    if (is_held(context_.side().state()) && log_ == log) context_.gate.park();
  }
  window->close();
}

}  // namespace cardswap
