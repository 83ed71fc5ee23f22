#include "runtime/trainer_role.h"

#include <sys/prctl.h>

#include <utility>

#include "migrator/link/link.h"

namespace cardswap {

TrainerRole::~TrainerRole() { stop(); }

void TrainerRole::stop() {
  std::unique_ptr<Source> source;
  std::unique_ptr<Target> target;
  {
    const std::lock_guard lock(mutex_);
    if (log_) log_->close();
    source = std::move(source_);
    target = std::move(target_);
  }
}

void TrainerRole::enter_standby(const channel::Welcome& welcome) {
  standby_ = true;
  {
    const std::lock_guard lock(mutex_);
    welcome_ = welcome;
    migration_ = welcome.migration;
  }
  gate_.park();
}

void TrainerRole::describe(channel::Hello& hello) const {
  const std::lock_guard lock(mutex_);
  hello.migration = migration_;
  hello.epoch = epoch_;
  hello.frozen = !standby_ && freeze_asked_ && gate_.is_parked();
}

void TrainerRole::take(const channel::Message& message) {
  if (const auto* begin = std::get_if<channel::BeginSync>(&message)) {
    begin_sync(*begin);
  } else if (const auto* freeze_now = std::get_if<channel::Freeze>(&message)) {
    freeze(freeze_now->migration);
  } else if (const auto* release_now = std::get_if<channel::Release>(&message)) {
    release(release_now->migration);
  } else if (const auto* retire_now = std::get_if<channel::Retire>(&message)) {
    retire(retire_now->migration);
  } else if (const auto* grant_now = std::get_if<channel::Grant>(&message)) {
    grant(*grant_now);
  } else if (const auto* depart_now = std::get_if<channel::Depart>(&message)) {
    depart(*depart_now);
  } else if (const auto* arrived = std::get_if<channel::Arrived>(&message)) {
    arrive(*arrived);
  }
}

// ---- source

void TrainerRole::begin_sync(const channel::BeginSync& begin) {
  {
    const std::lock_guard lock(mutex_);
    if (source_ || begin_ || standby_) return;
    begin_ = begin;
    boundaries_seen_ = 0;
    looks_at_gradients_ = begin.spec.arrive != Arrival::criu;
    by_criu_ = begin.spec.arrive == Arrival::criu;
    root_.reset();
    migration_ = begin.migration;
  }
  gate_.watch(true);
}

void TrainerRole::on_boundary() {
  const std::lock_guard lock(mutex_);
  if (first_step_due_) {
    // The source takes the job back if this step is not on the agent's disk: none may follow it.
    gate_.park();
    send_(channel::FirstStep{migration_, gate_.step()});
  }
  if (!begin_ && !source_) return;
  if (!(by_criu_ ? pass_homing() : pass_to_standby())) return;
  if (source_) source_->stepped();
  if (!begin_ || source_) return;
  try {
    start_source(*std::exchange(begin_, std::nullopt));
  } catch (...) {  // no thread, no memory: the migration's end, not the loop's
    fail(migration_, error_of(std::current_exception()));
  }
}

void TrainerRole::throttle(double share) { gate_.throttle(share); }

bool TrainerRole::begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) {
  const std::lock_guard lock(mutex_);
  if (!latest_ || !latest_->shards || latest_->shards->empty()) return false;
  log_ = std::move(log);
  window_ = std::move(window);
  return true;
}

StateView TrainerRole::state_view() {
  const std::lock_guard lock(mutex_);
  return *latest_;
}

void TrainerRole::resend_pending() {
  const std::lock_guard lock(mutex_);
  if (first_step_due_ && gate_.is_parked()) send_(channel::FirstStep{migration_, gate_.step()});
}

void TrainerRole::release(const std::string& migration) {
  if (departed_ && (migration != migration_ || !recall())) return;
  std::unique_ptr<Source> source;
  {
    const std::lock_guard lock(mutex_);
    if (first_step_due_ && migration == migration_) {
      first_step_due_.reset();
      migration_.clear();
      gate_.watch(false);
      gate_.release();
      return;
    }
    if (!migration_.empty() && migration != migration_) return;  // of one that is over
    if (!standby_ && (migration == migration_ || migration_.empty())) {
      source = std::move(source_);
      begin_.reset();
      looks_at_gradients_ = false;
      if (log_) log_->close();
      log_.reset();
      window_.reset();
      freeze_asked_ = false;
      freeze_owed_ = false;
      by_criu_ = false;
      migration_.clear();
    }
  }
  if (!standby_) {
    gate_.watch(false);
    gate_.throttle(0);
    gate_.release();  // first: training goes on before the engine is taken down
    source.reset();
  }
  const std::lock_guard lock(mutex_);
  latest_.reset();
  send_(channel::Released{migration});
}

void TrainerRole::retire(const std::string& migration) {
  {
    const std::lock_guard lock(mutex_);
    if (migration != migration_ || standby_) return;
  }
  gate_.retire();
}

void TrainerRole::fail(const std::string& migration, const Error& error) {
  send_(channel::Failed{migration, error.code(), error.failure(), error.hint()});
}

// ---- target

void TrainerRole::listen_for_source() {
  const std::lock_guard lock(mutex_);
  TargetEvents events;
  events.verified = [this](const VerifiedState& state) {
    const std::lock_guard inner(mutex_);
    verified_ = state;
    send_(channel::Verified{migration_, state.step, state.root, {}});
  };
  const auto id = migration_;
  events.failed = [this, id](const Error& error) { fail(id, error); };
  TargetOptions options;
  options.migration = id;
  options.listen_host = listening_host(welcome_.data_host);
  options.token = welcome_.data_token;
  options.data_key = welcome_.data_key;
  options.transports = welcome_.transports;
  options.peers = welcome_.data_peers;
  try {
    auto held = tracker_.state_view();
    const auto host = options.listen_host;
    options.devices = std::move(held.devices);
    target_ = std::make_unique<Target>(std::move(options), static_cast<TargetProgram&>(*this),
                                       std::move(events));
    send_(channel::Parked{host, target_->port(), held.layout.total_bytes()});
  } catch (...) {
    fail(id, error_of(std::current_exception()));
  }
}

StateView TrainerRole::adopt(const Layout& wanted) {
  StateView result;
  std::map<ParameterId, std::shared_ptr<Device>> gradients_on;
  on_trainer([&] {
    result = tracker_.adopt(wanted);
    for (const auto& shard : tracker_.shards()) {
      const auto region = static_cast<std::size_t>(shard.regions.front());
      gradients_on[shard.parameter] = result.devices.at(region);
    }
  });
  const std::lock_guard lock(mutex_);
  gradients_on_ = std::move(gradients_on);
  return result;
}

/// An optimizer reads a gradient where its parameter is.
Device& TrainerRole::device_of(ParameterId parameter) {
  const std::lock_guard lock(mutex_);
  const auto found = gradients_on_.find(parameter);
  return found == gradients_on_.end() || !found->second ? cpu_device() : *found->second;
}

std::vector<std::byte> TrainerRole::apply_values(std::span<const std::byte> values) {
  std::vector<std::byte> again;
  on_trainer([&] {
    tracker_.load(values);
    again = tracker_.save();
  });
  return again;
}

void TrainerRole::replay(const ReceivedUpdate& update) {
  on_trainer([&] { tracker_.replay(update); });
}

void TrainerRole::grant(const channel::Grant& grant) {
  std::unique_ptr<Target> target;
  {
    const std::lock_guard lock(mutex_);
    if (!standby_ || grant.migration != migration_) return;
    if (!verified_ || verified_->root != grant.root) {
      fail(migration_,
           Error(Code::digest_mismatch, "the grant is for another state than this standby holds"));
      return;
    }
    granted_ = std::exchange(verified_, std::nullopt);
    target = std::move(target_);
  }
  target.reset();  // nobody writes to the tensors from here on
  epoch_ = grant.epoch;
  gate_.set_step(granted_->step);
  // The agent's death killed a standby; from here on the job outlives its agents.
  try {
    on_trainer([] { ::prctl(PR_SET_PDEATHSIG, 0); });
  } catch (const Error& error) {
    fail(grant.migration, error.within("take the grant"));
    return;
  }
  standby_ = false;
  gate_.watch(true);
  gate_.release();
}

void TrainerRole::on_resume() {
  const std::lock_guard lock(mutex_);
  if (!granted_) return;
  const auto state = *std::exchange(granted_, std::nullopt);
  tracker_.arrived();
  const auto now = StepGate::Clock::now().time_since_epoch().count();
  first_step_due_ = state.step + 1;
  send_(channel::Resumed{migration_, state.step,
                         static_cast<double>(now - state.last_step_end_ns) / 1e6,
                         static_cast<double>(state.clock_error_ns) / 1e6});
}

}  // namespace cardswap
