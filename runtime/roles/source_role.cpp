#include "runtime/roles/source_role.h"

#include <chrono>
#include <utility>

#include "runtime/snapshot_memory.h"
#include "runtime/source_options.h"

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kCopyAtABoundary{20};
/// Less than what whoever ends a job gives it for its end: 30 s as a rule.
constexpr std::chrono::seconds kCopySentMax{20};

}  // namespace

// ---- from the agent's message to the engine

void SourceRole::prepare(const channel::BeginSync& begin) {
  begin_ = begin;
  of_gang_ = begin.of_gang;
  armed_for_.reset();
  boundaries_seen_ = 0;
  wants_gradients_ = begin.spec.arrive != ArrivalMode::criu;
  context_.gate.watch(true);
}

bool SourceRole::on_boundary() {
  end_giving_early();
  told_tracker_ = false;
  const auto boundary = reach_boundary();
  if (!boundary) return false;
  try {
    if (const auto why = boundary->asked ? wrong_way(*boundary) : std::nullopt) throw Error(*why);
    auto seen = boundary->arrival == ArrivalMode::criu ? view_of_arenas(*boundary)
                                                       : view_of_state(*boundary);
    if (seen) publish(*boundary, std::move(*seen));
  } catch (...) {  // such as no thread, no memory: it ends the migration, not the loop
    give_up(boundary->migration, error_of(std::current_exception()));
  }
  return told_tracker_;
}

std::optional<SourceRole::Boundary> SourceRole::reach_boundary() {
  const MutexLock lock(context_.mutex);
  if (!begin_ && !engine_) return std::nullopt;
  // The engine sends what was copied, and looks at the program no more.
  if (context_.state() == TrainerState::copied) return std::nullopt;
  Boundary boundary;
  boundary.migration = context_.side().migration();
  boundary.arrival = context_.side().arrival();
  boundary.of_gang = of_gang_;
  if (begin_) boundary.asked = begin_->spec.strategy;
  boundary.number = ++boundaries_seen_;
  boundary.log = log_;
  boundary.window = window_;
  boundary.before = latest_;
  return boundary;
}

void SourceRole::publish(const Boundary& boundary, StateView seen) {
  auto latest = std::make_shared<const StateView>(std::move(seen));
  const MutexLock lock(context_.mutex);
  if (context_.side().migration() != boundary.migration) return;  // released meanwhile
  latest_.swap(latest);
  if (engine_) return engine_->stepped();
  if (!begin_) return;
  start_engine(*std::exchange(begin_, std::nullopt));
  (void)context_.on(TrainerEvent::engine_began);
}

void SourceRole::give_up(const std::string& migration, const Error& why) {
  const MutexLock lock(context_.mutex);
  if (context_.side().migration() != migration) return;  // released meanwhile
  begin_.reset();
  // Failed is sent in any state, not only if the event has a rule: after the engine has begun, an
  // exception of the program changes no state, and the agent ends the migration.
  (void)context_.on(TrainerEvent::engine_did_not_begin);
  context_.fail(migration, why);
}

void SourceRole::start_engine(const channel::BeginSync& begin) {
  auto options = source_options(begin);
  const bool by_rounds = begin.spec.arrive == ArrivalMode::criu || begin.of_gang;
  if (by_rounds && begin.spec.strategy == Strategy::automatic) {
    options.spec.strategy = Strategy::rounds;
  }
  const auto id = begin.migration;
  SourceCallbacks callbacks;
  callbacks.progress = [this, id](const MigrationStats& stats) {
    context_.send(channel::SyncProgress{id, stats});
  };
  callbacks.converged = [this, id](double expected_ms) { offer_freeze(id, expected_ms); };
  callbacks.frozen = [this, id](std::uint64_t step) {
    const MutexLock inner(context_.mutex);
    if (context_.on(TrainerEvent::freeze_holds, id) != TrainerAction::report) return;
    context_.send(channel::Frozen{id, step});
  };
  // A process that is moved itself sends its scratch memory in the freeze, which no prediction
  // knows, and it forgets nothing: it is neither put off nor rehearsed. Nor is a gang's rank, for
  // which all others stand.
  if (begin.spec.arrive != ArrivalMode::criu && !begin.of_gang) {
    callbacks.put_off = [this, id](const std::string&) { put_off_freeze(id); };
    callbacks.rehearse = [this, id] { rehearse(id); };
  }
  callbacks.verified = [this, id](const Digest& state_digest, const MigrationStats& stats) {
    const MutexLock inner(context_.mutex);
    if (context_.verified(TrainerEvent::digests_equal, id, state_digest) != TrainerAction::report)
      return;
    context_.send(channel::Verified{id, stood_at_, state_digest, stats});
  };
  if (!begin.spec.store.empty()) {
    options.copy_bytes_max = snapshot_memory();
    callbacks.copied = [this, id](std::uint64_t step) { go_on_copied(id, step); };
  }
  callbacks.failed = [this, id](const Error& error) { context_.fail(id, error); };
  if (begin.of_gang) report_to_gang(id, callbacks);
  engine_ = std::make_unique<Source>(std::move(options), static_cast<SourceProgram&>(*this),
                                     std::move(callbacks));
}

// ---- how the trainer is parked, and goes on if the freeze would last too long

void SourceRole::park() {
  if (log_ && !log_->is_closed()) return;  // before_step() parks, once the last update was sent
  context_.gate.park();
}

/// On the engine's thread. The agent has asked for its freeze once: the ones after that are between
/// the engine and the gate.
void SourceRole::offer_freeze(const std::string& migration, double expected_ms) {
  const MutexLock lock(context_.mutex);
  switch (context_.on(TrainerEvent::freeze_offered, migration)) {
    case TrainerAction::report: context_.send(channel::Converged{migration, expected_ms}); break;
    case TrainerAction::park: park(); break;
    default: break;
  }
}

/// On the engine's thread, before the agent was told that the trainer is frozen.
void SourceRole::put_off_freeze(const std::string& migration) {
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::freeze_put_off, migration) != TrainerAction::unpark) return;
  context_.gate.release();
}

/// On the engine's thread, before the agent was told that the trainer is frozen.
void SourceRole::rehearse(const std::string& migration) {
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::rehearsal_due, migration) != TrainerAction::step_once) return;
  context_.gate.step_once();
}

/// On the engine's thread, before the agent was told that the trainer is frozen.
void SourceRole::go_on_copied(const std::string& migration, std::uint64_t step) {
  std::shared_ptr<const StateView> last;  // freed without the mutex
  const MutexLock lock(context_.mutex);
  if (context_.on(TrainerEvent::state_copied, migration) != TrainerAction::unpark) return;
  last.swap(latest_);
  context_.gate.watch(false);
  context_.gate.release();
  context_.send(channel::Frozen{migration, step, true});
}

void SourceRole::on_rehearsed() {
  {
    const MutexLock lock(context_.mutex);
    (void)context_.on(TrainerEvent::rehearsed);
    if (context_.state() != TrainerState::freezing) return;  // released meanwhile
  }
  on_parked();
}

void SourceRole::on_parked() {
  if (const auto report = context_.lateness.on_parked()) context_.send(*report);
  std::string migration;
  bool by_criu = false;
  std::shared_ptr<const StateView> before;
  {
    const MutexLock lock(context_.mutex);
    migration = context_.side().migration();
    by_criu = context_.side().arrival() == ArrivalMode::criu;
    if (log_) before = latest_;
  }
  FrozenState state;
  // One that is held stood before: its last step's end says nothing of this freeze.
  state.last_step_end_ns = context_.gate.is_held()
                               ? StepGate::Clock::now().time_since_epoch().count()
                               : context_.gate.step_began_ns();
  state.step = context_.gate.step();
  state.notes = context_.notes;
  try {
    if (by_criu) {  // values and the rest travel in the process
      context_.relocator().relocate_all();
      state.state_view = context_.relocator().state_view(true);
    } else {
      context_.tracker().keep_unused_gradients();
      state.state_view = view(before.get());
      state.values = save_values(context_.tracker().entries());
    }
  } catch (...) {
    context_.fail(migration, error_of(std::current_exception()));
    return;
  }
  const MutexLock lock(context_.mutex);
  if (!engine_) return;  // released meanwhile
  stood_at_ = state.step;
  engine_->freeze(std::move(state));
}

void SourceRole::await_copy() {
  const auto until = std::chrono::steady_clock::now() + kCopySentMax;
  MutexLock lock(context_.mutex);
  while (context_.state() == TrainerState::copied && engine_) {
    if (!engine_taken_.wait_until(lock, until)) return;
  }
}

std::unique_ptr<Source> SourceRole::take_engine() {
  if (log_) log_->close();
  engine_taken_.notify_all();
  return std::move(engine_);
}

std::unique_ptr<Source> SourceRole::take_all() {
  auto engine = take_engine();
  begin_.reset();
  wants_gradients_ = false;
  log_.reset();
  window_.reset();
  return engine;
}

void SourceRole::end(std::unique_ptr<Source> engine) {
  engine.reset();  // its links, descriptors and threads
  std::shared_ptr<const StateView> last;
  const MutexLock lock(context_.mutex);
  last.swap(latest_);
}

void SourceRole::end_migration(std::unique_ptr<Source> engine, const std::string& migration) {
  context_.gate.watch(false);
  context_.gate.throttle(0);
  context_.gate.watch_once();  // what is left on the training thread goes at its next boundary
  context_.gate.release();     // first: training goes on before the engine is taken down
  end(std::move(engine));
  context_.send(channel::Released{migration});
}

// ---- what the engine sees

bool SourceRole::begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) {
  const MutexLock lock(context_.mutex);
  if (!engine_) return false;  // released meanwhile
  if (!latest_ || !latest_->shards || latest_->shards->empty()) return false;
  log_ = std::move(log);
  window_ = std::move(window);
  return true;
}

std::optional<std::string> SourceRole::cannot_rehearse() {
  if (context_.gate.is_within_hold(1)) return "it is held at a step";
  return context_.agent.not_rehearsed();
}

StateView SourceRole::state_view() {
  std::shared_ptr<const StateView> latest;
  {
    const MutexLock lock(context_.mutex);
    latest = latest_;
  }
  return *latest;
}

std::optional<StateView> SourceRole::view_of_arenas(const Boundary& boundary) {
  if (boundary.asked == Strategy::replay) {
    throw Error(Code::bad_request, "a process that moves itself cannot replay updates",
                "use --strategy rounds or stop-copy with --arrive criu");
  }
  // Once: relocating a large state takes many boundaries, and the check saves every value twice.
  const bool begins = boundary.asked && boundary.number == 1;
  if (const auto obstacle = begins ? context_.agent.obstacle(ArrivalMode::criu) : std::nullopt) {
    throw Error(*obstacle);
  }
  if (boundary.asked && context_.relocator().relocatable_bytes() == 0) {
    throw Error(Code::refused, "nothing that this job tracks can be sent ahead of its process",
                "track tensors or Session::allocate's memory, or use --arrive standby");
  }
  const bool all = context_.relocator().relocate_some(kCopyAtABoundary);
  // The engine begins when all that fits lies in an arena.
  if (!all && boundary.asked) return std::nullopt;
  return context_.relocator().state_view(false);
}

}  // namespace cardswap
