#include "runtime/roles/trainer_role.h"

#include <memory>
#include <utility>
#include <variant>

namespace cardswap {

TrainerRole::~TrainerRole() { stop(); }

void TrainerRole::stop() {
  source_.await_copy();
  work_.stop();
  std::unique_ptr<Source> source;
  std::unique_ptr<Target> target;
  {
    const MutexLock lock(context_.mutex);
    source_.assert_held();
    standby_.assert_held();
    source = source_.take_engine();
    target = standby_.take_engine();
  }
  log_.stop();
  if (const auto report = context_.lateness.final_report()) context_.send(*report);
}

void TrainerRole::enter_standby(const channel::Welcome& welcome) {
  const MutexLock lock(context_.mutex);
  standby_.assert_held();
  standby_.enter(welcome);
}

void TrainerRole::report_lateness() {
  if (const auto report = context_.lateness.changes()) context_.send(*report);
}

void TrainerRole::describe(channel::Hello& hello) {
  context_.lateness.repeat_report();  // to an agent that may be a new one
  hold_.repeat_report();
  log_.repeat_report();
  MutexLock lock(context_.mutex);
  const auto& side = context_.side();
  hello.migration = side.migration();
  hello.epoch = context_.epoch;
  hello.frozen = must_park(side.state()) && context_.gate.is_parked();
  lock.unlock();
  staying_.describe(hello);
}

TrainerRole::RoleWork TrainerRole::apply(const channel::Message& message) {
  const MutexLock lock(context_.mutex);
  source_.assert_held();
  standby_.assert_held();
  RoleWork work;
  work.migration = context_.side().migration();
  work.action = context_.on(message);
  switch (work.action) {
    case TrainerAction::watch: source_.prepare(std::get<channel::BeginSync>(message)); break;
    case TrainerAction::park: source_.park(); break;
    case TrainerAction::end_migration: work.source = source_.take_all(); break;
    case TrainerAction::depart: work.source = source_.take_engine(); break;
    case TrainerAction::take_grant: work.target = standby_.take_engine(); break;
    // The other actions need no lock: handle() takes them.
    case TrainerAction::none:
    case TrainerAction::unpark:
    case TrainerAction::step_once:
    case TrainerAction::answer:
    case TrainerAction::report:
    case TrainerAction::refuse:
    case TrainerAction::report_lost:
    case TrainerAction::retire:
    case TrainerAction::recall:
    case TrainerAction::arrive:
    case TrainerAction::run_first_step:
    case TrainerAction::stop_watching: break;
  }
  return work;
}

void TrainerRole::handle(const channel::Message& message) {
  if (const auto* time = std::get_if<channel::TimeSteps>(&message)) {
    if (const auto last = context_.lateness.begin(time->migration)) context_.send(*last);
    return;
  }
  if (const auto* hold = std::get_if<channel::HoldAt>(&message)) return hold_.hold_at(hold->step);
  if (const auto* log = std::get_if<channel::KeepLog>(&message)) return log_.order(*log);
  if (handle_in_gang(message)) return;
  auto work = apply(message);
  if (const auto* release = std::get_if<channel::Release>(&message)) {
    context_.lateness.end_migration(release->migration);
  }
  switch (work.action) {
    case TrainerAction::end_migration:
      source_.end_migration(std::move(work.source), work.migration);
      break;
    case TrainerAction::answer:
      context_.send(channel::Released{std::get<channel::Release>(message).migration});
      break;
    case TrainerAction::refuse: refuse(message, work.migration); break;
    case TrainerAction::report_lost:
      departed_.report_lost(Error(Code::source_lost, "the job's memory was not taken back")
                                .within("take the job's memory back"));
      break;
    case TrainerAction::retire:
      context_.lateness.drop();
      context_.gate.retire();
      break;
    case TrainerAction::depart:
      source_.end(std::move(work.source));
      departed_.depart(std::get<channel::Depart>(message));
      break;
    case TrainerAction::recall:
      if (departed_.recall()) source_.end_migration(nullptr, work.migration);
      break;
    case TrainerAction::arrive:
      if (const auto state = departed_.arrive(std::get<channel::Arrived>(message)))
        enter_restored(*state);
      break;
    case TrainerAction::take_grant:
      standby_.accept_grant(std::move(work.target), std::get<channel::Grant>(message));
      break;
    case TrainerAction::stop_watching:
      context_.gate.watch(false);
      context_.gate.release();
      break;
    case TrainerAction::none:
    case TrainerAction::watch:
    case TrainerAction::park:    // done by apply()
    case TrainerAction::unpark:  // and four that no agent's message asks for
    case TrainerAction::step_once:
    case TrainerAction::report:
    case TrainerAction::run_first_step: break;
  }
}

void TrainerRole::enter_restored(const VerifiedState& state) {
  const MutexLock lock(context_.mutex);
  const auto migration = context_.side().migration();
  if (context_.verified(TrainerEvent::memory_arrived, migration, state.state_digest) !=
      TrainerAction::report) {
    return;
  }
  standby_.assert_held();
  standby_.set_verified(state);
  context_.send(channel::Verified{migration, state.step, state.state_digest, {}});
}

bool TrainerRole::handle_in_gang(const channel::Message& message) {
  if (const auto* arm = std::get_if<channel::Arm>(&message); arm && source_.arm(*arm)) return true;
  if (const auto* check = std::get_if<channel::Check>(&message); check && source_.check(*check))
    return true;
  if (staying_.handle(message)) {
    if (const auto* release = std::get_if<channel::Release>(&message))
      context_.lateness.end_migration(release->migration);
    return true;
  }
  const auto* begin = std::get_if<channel::BeginSync>(&message);
  if (begin == nullptr || !staying_.is_in_gang()) return false;
  context_.fail(begin->migration,
                Error(Code::conflict, "this rank stays while other ranks of its job move",
                      "ask again when they have moved"));
  return true;
}

void TrainerRole::refuse(const channel::Message& message, const std::string& migration) const {
  if (std::holds_alternative<channel::Grant>(message)) {
    context_.fail(migration, Error(Code::digest_mismatch,
                                   "the grant is for another state than this standby holds"));
  } else {
    context_.fail(migration, Error(Code::bad_request, "a job may depart when its digests are equal",
                                   "the agents are of another Cardswap release"));
  }
}

/// An update is captured once, whoever keeps it: what is taken ahead of it is counted by that.
void TrainerRole::before_step(const void* optimizer) {
  std::optional<std::optional<UpdateEntry>> captured;
  const auto capture = [&] {
    if (!captured) captured = context_.tracker().optimizers().capture(optimizer);
    return *captured;
  };
  source_.before_step(capture);
  log_.before_step(capture);
}

void TrainerRole::on_boundary() {
  const bool by_hold = hold_.on_boundary(source_.wants_gradients());
  standby_.on_boundary();
  staying_.on_boundary();
  const bool by_source = source_.on_boundary();
  log_.on_boundary(by_hold || by_source);
}

bool TrainerRole::note(const std::string& name, double value) {
  if (!may_be_noted(context_.notes, name)) return false;
  context_.notes[name] = value;
  return true;
}

void TrainerRole::on_held() {
  // Standing is no lateness.
  if (const auto last = context_.lateness.final_report()) context_.send(*last);
  hold_.on_held();
}

void TrainerRole::on_let_go() {
  standby_.on_let_go();
  hold_.on_let_go();
}

void TrainerRole::on_parked() {
  switch (context_.state()) {
    case TrainerState::standby: standby_.on_parked(); break;
    case TrainerState::standby_rehearsing: standby_.on_rehearsed(); break;
    case TrainerState::syncing: source_.on_reached(); break;
    case TrainerState::freezing: source_.on_parked(); break;
    case TrainerState::rehearsing: source_.on_rehearsed(); break;
    // It stays in a gang, is parked until its first step is recorded, or was released meanwhile.
    default: staying_.on_parked(); break;
  }
}

}  // namespace cardswap
