#include "runtime/roles/staying_role.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <utility>
#include <variant>

namespace cardswap {
namespace {

/// Puts the next communicators in. That it is not known what they took is no failure.
channel::CommunicatorsTook exchanged(Communicators& communicators, const std::string& gang) {
  const auto began = StepGate::Clock::now();
  communicators.exchange();
  channel::CommunicatorsTook took{gang};
  took.exchange_ms =
      std::chrono::duration<double, std::milli>(StepGate::Clock::now() - began).count();
  try {
    const auto times = communicators.took();
    took.build_ms = times.build_ms;
    took.try_ms = times.try_ms;
  } catch (...) {
    return took;
  }
  return took;
}

}  // namespace

// ---- from the agent's message to what is done

bool StayingRole::is_for_this(const channel::Message& message) const {
  if (std::holds_alternative<channel::BuildNext>(message) ||
      std::holds_alternative<channel::SwitchOver>(message) ||
      std::holds_alternative<channel::CloseOld>(message)) {
    return true;
  }
  const auto& gang = side_.gang();
  if (gang.empty()) return false;
  if (const auto* arm = std::get_if<channel::Arm>(&message)) return arm->gang == gang;
  if (const auto* check = std::get_if<channel::Check>(&message)) return check->gang == gang;
  const auto* release = std::get_if<channel::Release>(&message);
  return release != nullptr && release->migration == gang;
}

bool StayingRole::handle(const channel::Message& message) {
  StayingAction action = StayingAction::none;
  {
    const MutexLock lock(context_.mutex);
    if (!is_for_this(message)) return false;
    const auto gang = side_.gang();
    action = side_.on(message);
    if (action == StayingAction::release) {
      release(gang);
    } else {
      act(action, message);
    }
  }
  if (action == StayingAction::switch_over) switch_over(std::get<channel::SwitchOver>(message));
  return true;
}

void StayingRole::act(StayingAction action, const channel::Message& message) {
  switch (action) {
    case StayingAction::build: build(std::get<channel::BuildNext>(message)); break;
    case StayingAction::arm: arm(std::get<channel::Arm>(message).step); break;
    case StayingAction::check: check(); break;
    case StayingAction::close: close(); break;
    case StayingAction::report: repeat(); break;
    case StayingAction::answer:
      context_.send(channel::Released{std::get<channel::Release>(message).migration});
      break;
    case StayingAction::switch_over:  // without the mutex: handle()
    case StayingAction::release:
    case StayingAction::refuse:
    case StayingAction::none: break;
  }
}

void StayingRole::repeat() {
  switch (side_.state()) {
    case StayingState::built: say_built(); break;
    case StayingState::checked: say_checked(); break;
    case StayingState::confirmed:
    case StayingState::closed: say_stepped(); break;
    default: break;
  }
}

bool StayingRole::is_in_gang() {
  const MutexLock lock(context_.mutex);
  return side_.state() != StayingState::training && side_.state() != StayingState::closed;
}

void StayingRole::describe(channel::Hello& hello) {
  if (!is_in_gang()) return;
  const MutexLock lock(context_.mutex);
  hello.migration = side_.gang();
  hello.frozen = is_parked(side_.state()) && context_.gate.is_parked();
}

// ---- the next communicators

void StayingRole::build(const channel::BuildNext& build) {
  epoch_ = build.epoch;
  const auto gang = build.gang;
  try {
    if (context_.state() != TrainerState::training) {
      throw Error(Code::conflict, "this rank is in another migration");
    }
    if (build.ranks != context_.ranks) {
      throw Error(Code::conflict, fmt::format("the gang has {} ranks, and this job has {}",
                                              build.ranks, context_.ranks.load()));
    }
    work_.later(
        [this, gang, next = NextRanks{build.epoch, build.rendezvous, build.ranks, build.moved}](
            Communicators& communicators) {
          try {
            if (work_.is_given_up(next.epoch)) {
              throw Error(Code::conflict,
                          fmt::format("a move to epoch {} was given up before", next.epoch),
                          "start the move again: it takes a later epoch");
            }
            communicators.build(next);
          } catch (...) {
            return on_not_built(gang, error_of(std::current_exception()));
          }
          on_built(gang);
        });
  } catch (...) {
    (void)side_.on(StayingEvent::not_built);
    context_.fail(gang, error_of(std::current_exception()).within("build the next communicator"));
  }
}

void StayingRole::on_built(const std::string& gang) {
  const MutexLock lock(context_.mutex);
  if (side_.on(StayingEvent::next_built, gang) == StayingAction::report) say_built();
}

void StayingRole::on_not_built(const std::string& gang, const Error& why) {
  const MutexLock lock(context_.mutex);
  if (side_.on(StayingEvent::not_built, gang) != StayingAction::refuse) return;
  context_.fail(gang, why.within("build the next communicator"));
}

void StayingRole::say_built() {
  context_.send(channel::NextBuilt{side_.gang(), context_.gate.step() + 1});
}

// ---- the step that is agreed

/// With the mutex held around both, so that on_parked() comes after the side knows the step.
void StayingRole::arm(std::uint64_t step) {
  const auto answer = context_.gate.arm(step);
  if (side_.gate_answered(answer.is_set, answer.step) != StayingAction::report) return;
  if (!answer.is_set) return context_.send(channel::Late{side_.gang(), answer.step});
  context_.send(channel::Armed{side_.gang(), answer.step});
  if (is_parked(side_.state())) context_.send(channel::Reached{side_.gang(), answer.step});
}

void StayingRole::on_parked() {
  {
    const MutexLock lock(context_.mutex);
    if (side_.state() != StayingState::armed) return;
    if (side_.step() != context_.gate.step()) return;  // it was armed for a later one meanwhile
    if (side_.on(StayingEvent::reached) != StayingAction::report) return;
    context_.send(channel::Reached{side_.gang(), side_.step()});
  }
  if (const auto report = context_.lateness.on_parked()) context_.send(*report);
}

void StayingRole::check() {
  work_.later([this, gang = side_.gang(), epoch = epoch_](Communicators& communicators) {
    if (work_.is_given_up(epoch)) return;
    try {
      context_.on_trainer([&] { communicators.trip(); });
    } catch (...) {
      return on_check_failed(gang, error_of(std::current_exception()));
    }
    on_checked(gang);
  });
}

void StayingRole::on_checked(const std::string& gang) {
  const MutexLock lock(context_.mutex);
  if (side_.on(StayingEvent::check_passed, gang) == StayingAction::report) say_checked();
}

void StayingRole::on_check_failed(const std::string& gang, const Error& why) {
  const MutexLock lock(context_.mutex);
  if (side_.on(StayingEvent::check_failed, gang) != StayingAction::refuse) return;
  context_.send(channel::CheckFailed{gang, why.code(), why.failure(), why.hint()});
}

void StayingRole::say_checked() { context_.send(channel::Checked{side_.gang(), side_.step(), {}}); }

// ---- the decision

/// What cannot be put in ends this rank, as a step that fails does: the others go on without
/// asking. It stands, and its agent says so.
void StayingRole::switch_over(const channel::SwitchOver& go) {
  channel::CommunicatorsTook took{go.gang};
  try {
    auto& communicators = work_.communicators();
    context_.on_trainer([&] { took = exchanged(communicators, go.gang); });
  } catch (...) {
    const auto why = error_of(std::current_exception()).within("go on with the next communicator");
    context_.send(channel::Failed{go.gang, why.code(), why.failure(), why.hint(), true});
    return;
  }
  context_.epoch = go.epoch;
  context_.lateness.end_migration(go.gang);
  context_.gate.watch(true);
  context_.gate.disarm();
  context_.send(took);
}

/// Also where it is held at the step at which it switches: its standing there counts as the step.
void StayingRole::on_boundary() {
  const MutexLock lock(context_.mutex);
  if (side_.on(StayingEvent::stepped) != StayingAction::report) return;
  first_step_ = context_.gate.step();
  context_.gate.watch(false);
  say_stepped();
}

void StayingRole::say_stepped() { context_.send(channel::FirstStep{side_.gang(), first_step_}); }

void StayingRole::close() {
  work_.later([](Communicators& communicators) {
    try {
      communicators.close_old();
    } catch (...) {  // what is not closed costs memory, and the job nothing
    }
  });
}

/// The loop goes on first. It may be in the middle of a check, which ends because the gang is given
/// up.
void StayingRole::release(const std::string& gang) {
  work_.give_up(epoch_);
  context_.gate.disarm();
  const auto answer = [this, gang] { context_.send(channel::Released{gang}); };
  try {
    work_.later([answer](Communicators& communicators) {
      try {
        communicators.roll_back();
      } catch (...) {  // the loop has never used it
      }
      answer();
    });
  } catch (...) {  // it has no communicators: nothing was built
    answer();
  }
}

}  // namespace cardswap
