// A migration to a standby, on the training thread: what is captured at each step and each
// boundary.

#include <exception>
#include <optional>
#include <utility>

#include "runtime/roles/source_role.h"

namespace cardswap {
namespace {

/// It takes two boundaries to see which gradients outlive one.
constexpr int kBeforeTheStart = 2;

}  // namespace

std::optional<StateView> SourceRole::view_of_state(const Boundary& boundary) {
  // One that is held passes no further boundary. HoldRole has seen which gradients outlive one.
  const bool held = context_.gate.is_held();
  if (!held) {
    told_tracker_ = true;
    context_.tracker().on_boundary(boundary.number == kBeforeTheStart);
  }
  if (boundary.asked) {
    if (!held && boundary.number < kBeforeTheStart) return std::nullopt;
    if (const auto obstacle = context_.agent.obstacle(ArrivalMode::standby)) {
      throw Error(*obstacle);
    }
  }
  auto now = view(boundary.log ? boundary.before.get() : nullptr);
  if (boundary.log) end_logged_step(boundary, now.fence);
  return now;
}

StateView SourceRole::view(const StateView* before) {
  auto now = context_.tracker().state_view();
  now.step = context_.gate.step();
  // While updates are logged, what they rewrite changes with the layout only.
  const bool same = before != nullptr && before->layout == now.layout;
  now.shards = same ? before->shards
                    : std::make_shared<const std::vector<Shard>>(context_.tracker().shards());
  return now;
}

void SourceRole::end_logged_step(const Boundary& boundary, const Fence& fence) {
  const auto step = context_.gate.step();
  boundary.window->open(step, fence);
  if (!std::exchange(captured_, false)) {
    // A step that was skipped, or of which the session was not told: the log must not have a gap.
    UpdateEntry entry;
    entry.step = step;
    boundary.log->append(std::move(entry));
    const MutexLock lock(context_.mutex);
    if (must_park(context_.side().state()) && log_ == boundary.log) context_.gate.park();
  }
  boundary.log->end_step(step);
}

void SourceRole::give_early(const std::shared_ptr<UpdateLog>& log) {
  if (given_early_.lock() == log) return;
  given_early_ = log;
  gives_early_ = true;
  context_.tracker().optimizers().give_early(
      [this, to = given_early_](auto parameter, auto bytes, const auto& copy) {
        const auto open = to.lock();
        if (open) (void)open->append_early(context_.gate.step() + 1, parameter, bytes, copy);
      });
}

void SourceRole::end_giving_early() {
  if (!gives_early_) return;
  {
    const MutexLock lock(context_.mutex);
    if (log_ && !log_->is_closed()) return;
  }
  gives_early_ = false;
  given_early_.reset();
  context_.tracker().optimizers().give_early({});
}

void SourceRole::fail(const Error& why) {
  const MutexLock lock(context_.mutex);
  const auto migration = context_.side().migration();
  if (!migration.empty()) context_.fail(migration, why);
}

void SourceRole::before_step(const Capture& capture) {
  std::shared_ptr<UpdateLog> log;
  std::shared_ptr<StateWindow> window;
  {
    const MutexLock lock(context_.mutex);
    if (log_ && log_->is_closed()) {
      log_.reset();
      window_.reset();
      if (must_park(context_.side().state())) context_.gate.park();
    }
    log = log_;
    window = window_;
  }
  if (!log) return;
  std::optional<UpdateEntry> entry;
  try {
    give_early(log);
    entry = capture();
    if (!entry) return;
    entry->step = context_.gate.step() + 1;
    log->append(std::move(*entry));  // may wait for room
  } catch (...) {  // such as no memory for a gradient's copy: it ends the migration, not the loop
    return fail(error_of(std::current_exception()));
  }
  captured_ = true;
  bool last = log->holds_each_step();
  {
    const MutexLock lock(context_.mutex);
    last = last || (must_park(context_.side().state()) && log_ == log);
  }
  if (last) {
    // Its gradients are sent before the step is taken here: the target takes it at the same time.
    log->wait_until_sent(context_.gate.step() + 1);
    const MutexLock lock(context_.mutex);
    if (must_park(context_.side().state()) && log_ == log) context_.gate.park();
  }
  window->close();
}

}  // namespace cardswap
