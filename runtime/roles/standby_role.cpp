#include "runtime/roles/standby_role.h"

#include <sys/prctl.h>

#include <exception>
#include <utility>

#include "runtime/target_options.h"
#include "runtime/value_block.h"

namespace cardswap {

void StandbyRole::enter(const channel::Welcome& welcome) {
  welcome_ = welcome;
  (void)context_.stand_by(welcome.migration);
  context_.gate.park();
}

void StandbyRole::on_parked() {
  TargetOptions options;
  channel::GangPlace gang;
  {
    const MutexLock lock(context_.mutex);
    options = target_options(welcome_);
    gang = welcome_.gang;
  }
  const auto id = options.migration;
  TargetCallbacks callbacks;
  const bool arrives_in_gang = !gang.gang.empty();
  if (arrives_in_gang) options.migration = gang.gang;  // so the one that leaves calls it
  callbacks.verified = [this, id, arrives_in_gang](const VerifiedState& state) {
    if (!arrives_in_gang) return say_verified(id, state);
    try_next(id, state);
  };
  callbacks.failed = [this, id](const Error& error) { context_.fail(id, error); };
  try {
    auto held = context_.tracker().state_view();
    const auto host = options.listen_host;
    options.devices = std::move(held.devices);
    const MutexLock lock(context_.mutex);
    engine_ = std::make_unique<Target>(std::move(options), static_cast<TargetProgram&>(*this),
                                       std::move(callbacks));
    context_.send(channel::Parked{host, engine_->port(), held.layout.total_bytes()});
  } catch (...) {
    context_.fail(id, error_of(std::current_exception()));
  }
  if (arrives_in_gang) build_next(gang, id);
}

void StandbyRole::say_verified(const std::string& migration, const VerifiedState& state) {
  const MutexLock lock(context_.mutex);
  if (context_.verified(TrainerEvent::state_verified, migration, state.state_digest) !=
      TrainerAction::report) {
    return;
  }
  verified_ = state;
  context_.send(channel::Verified{migration, state.step, state.state_digest, {}});
}

void StandbyRole::accept_grant(std::unique_ptr<Target> engine, const channel::Grant& grant) {
  engine.reset();  // no thread writes to the tensors from here on
  context_.epoch = grant.epoch;
  {
    const MutexLock lock(context_.mutex);
    context_.gate.set_step(verified_.step);
  }
  try {
    context_.on_trainer([this, &grant] {
      if (is_newcomer()) work_.communicators().exchange();
      // The agent's death killed a standby; from here on the job outlives its agents.
      ::prctl(PR_SET_PDEATHSIG, 0);
    });
  } catch (...) {  // whatever the program throws: a grant that is not answered is asked for ever
    const auto why = error_of(std::current_exception());
    const MutexLock lock(context_.mutex);
    (void)context_.on(TrainerEvent::grant_not_taken);
    context_.fail(grant.migration, why.within("take the grant"));
    return;
  }
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::grant_taken) != TrainerAction::run_first_step) return;
  context_.gate.watch(true);
  context_.gate.release();
}

void StandbyRole::on_resume() {
  std::string migration;
  VerifiedState held;
  {
    const MutexLock lock(context_.mutex);
    if (context_.on(TrainerEvent::resumed) != TrainerAction::report) return;
    migration = context_.side().migration();
    held = verified_;
  }
  // One that is held here first keeps what it knows of the source's gradients: they are its state.
  arrives_held_ = context_.gate.must_hold();
  if (!arrives_held_) context_.tracker().on_arrived();
  context_.notes.clear();  // of its warm-up
  context_.lateness.arrives(migration);
  const auto now = StepGate::Clock::now().time_since_epoch().count();
  context_.send(channel::Resumed{migration, held.step,
                                 static_cast<double>(now - held.last_step_end_ns) / 1e6,
                                 static_cast<double>(held.clock_error_ns) / 1e6});
}

void StandbyRole::on_let_go() {
  if (std::exchange(arrives_held_, false)) context_.tracker().on_arrived();
}

/// Also called where the job arrives at a step at which it is held: there it takes no step, and
/// the agents count its standing there as the first one.
void StandbyRole::on_boundary() {
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::stepped) != TrainerAction::park) return;
  // The source takes the job back if this step is not on the agent's disk: no step may follow it.
  context_.gate.park();
  context_.send(channel::FirstStep{context_.side().migration(), context_.gate.step()});
}

void StandbyRole::resend_pending() {
  const MutexLock lock(context_.mutex);
  if (context_.side().state() != TrainerState::first_step_done || !context_.gate.is_parked())
    return;
  context_.send(channel::FirstStep{context_.side().migration(), context_.gate.step()});
}

// ---- what the engine asks of the program

StateView StandbyRole::adopt(const Layout& wanted) {
  StateView result;
  std::map<ParameterId, std::shared_ptr<Device>> gradients_on;
  context_.on_trainer([&] {
    result = context_.tracker().adopt(wanted);
    for (const auto& shard : context_.tracker().shards()) {
      const auto region = static_cast<std::size_t>(shard.regions.front());
      gradients_on[shard.parameter] = result.devices.at(region);
    }
  });
  const MutexLock lock(context_.mutex);
  gradients_on_ = std::move(gradients_on);
  return result;
}

/// An optimizer reads a gradient where its parameter is.
Device& StandbyRole::device_of(ParameterId parameter) {
  const MutexLock lock(context_.mutex);
  const auto found = gradients_on_.find(parameter);
  return found == gradients_on_.end() ? cpu_device() : *found->second;
}

std::vector<std::byte> StandbyRole::apply_values(std::span<const std::byte> values) {
  std::vector<std::byte> again;
  context_.on_trainer([&] {
    load_values(context_.tracker().entries(), values);
    again = save_values(context_.tracker().entries());
  });
  return again;
}

void StandbyRole::rehearse(std::uint64_t step) {
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::rehearsal_due) != TrainerAction::step_once) return;
  context_.gate.set_step(step);  // the program may read it: Session::steps()
  context_.gate.step_once();
}

void StandbyRole::on_rehearsed() {
  std::vector<std::byte> values;
  try {
    // From here on gradients are where the step left them, not where they were received.
    context_.tracker().on_boundary(false);
    values = save_values(context_.tracker().entries());
  } catch (...) {
    const MutexLock lock(context_.mutex);
    context_.fail(welcome_.migration, error_of(std::current_exception()).within("rehearse a step"));
    return;
  }
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::rehearsed) != TrainerAction::report || !engine_) return;
  engine_->rehearsed(std::move(values));
}

void StandbyRole::replay(const ReceivedUpdate& update) {
  context_.on_trainer([&] { context_.tracker().optimizers().replay(update); });
}

}  // namespace cardswap
