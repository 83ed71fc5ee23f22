// How the trainer comes to stand for its migration, and goes on when that would last too long.

#include <exception>
#include <utility>

#include "runtime/trainer_role.h"

namespace cardswap {

/// On the training thread, which stands. Throws Error{internal} when it does not any more: who
/// waited for it would wait for ever.
void TrainerRole::on_trainer(std::function<void()> task) {
  if (gate_.run_parked(std::move(task))) return;
  throw Error(Code::internal, "the training thread does not stand at a step boundary any more",
              "look at the job's log; the job goes on where it trains");
}

void TrainerRole::freeze(const std::string& migration) {
  {
    const std::lock_guard lock(mutex_);
    if (migration != migration_ || !source_) return;
    freeze_asked_ = true;
    if (log_ && !log_->closed()) return;  // before_step() parks, once the last update has gone out
  }
  gate_.park();
}

/// On the engine's thread. The agent has asked for its freeze once: the ones after that are between
/// the engine and the gate.
void TrainerRole::offer_freeze(const std::string& migration, double expected_ms) {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(freeze_owed_, false)) {
      send_(channel::Converged{migration, expected_ms});
      return;
    }
  }
  freeze(migration);
}

/// On the engine's thread, before the agent was told that the trainer is frozen.
void TrainerRole::put_off_freeze(const std::string& migration) {
  const std::lock_guard lock(mutex_);
  if (migration != migration_ || !source_) return;  // released meanwhile
  freeze_asked_ = false;
  freeze_owed_ = true;
  gate_.release();
}

void TrainerRole::on_parked() {
  if (standby_) {
    listen_for_source();
    return;
  }
  bool by_criu = false;
  std::string migration;
  {
    const std::lock_guard lock(mutex_);
    if (first_step_due_) return;  // it stands for its first step to be recorded
    by_criu = by_criu_;
    migration = migration_;
  }
  FrozenState state;
  state.last_step_end_ns = gate_.last_boundary_ns();
  state.step = gate_.step();
  try {
    if (by_criu) {  // values and the rest travel in the process
      relocator_.relocate_all();
      state.state_view = relocator_.state_view(true);
    } else {
      tracker_.keep_unused_gradients();
      {
        const std::lock_guard lock(mutex_);
        state.state_view = view();
      }
      state.values = tracker_.save();
    }
  } catch (...) {
    fail(migration, error_of(std::current_exception()));
    return;
  }
  const std::lock_guard lock(mutex_);
  if (!source_) return;  // released meanwhile
  source_->freeze(std::move(state));
}

}  // namespace cardswap
