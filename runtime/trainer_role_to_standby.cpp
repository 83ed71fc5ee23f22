// A migration to a standby, on the training thread: what is captured at each step and boundary.

#include <exception>
#include <optional>
#include <utility>

#include "runtime/trainer_role.h"

namespace cardswap {

/// With `mutex_` held, at a boundary. True when `latest_` is what the engine may send.
bool TrainerRole::pass_to_standby() {
  // Which gradients outlive a boundary is seen between two of them.
  constexpr int kBeforeTheStart = 2;
  try {
    const bool is_second = ++boundaries_seen_ == kBeforeTheStart;
    tracker_.passing(is_second);
    if (begin_ && !source_) {
      if (boundaries_seen_ < kBeforeTheStart) return false;
      if (const auto obstacle = line_.obstacle(channel::Arrival::standby)) throw Error(*obstacle);
    }
    latest_ = view();
    if (log_) pass_with_log();
    return true;
  } catch (...) {
    begin_.reset();
    fail(migration_, error_of(std::current_exception()));
  }
  return false;
}

/// With `mutex_` held.
void TrainerRole::start_source(const channel::BeginSync& begin) {
  SourceOptions options;
  options.migration = begin.migration;
  options.host = begin.host;
  options.port = begin.port;
  options.token = begin.token;
  options.data_key = begin.data_key;
  options.spec = begin.spec;
  options.transports = begin.transports;
  options.peers = begin.data_peers;
  options.handover_ms = begin.handover_ms;
  const auto id = begin.migration;
  SourceEvents events;
  events.progress = [this, id](const MigrationStats& stats) {
    send_(channel::SyncProgress{id, stats});
  };
  events.converged = [this, id](double expected_ms) { offer_freeze(id, expected_ms); };
  events.frozen = [this, id](std::uint64_t step) { send_(channel::Frozen{id, step}); };
  // A process that goes itself sends its scratch in the freeze, which no prediction knows.
  if (!by_criu_) events.put_off = [this, id](const std::string&) { put_off_freeze(id); };
  events.verified = [this, id](const Digest& root, const MigrationStats& stats) {
    {
      const std::lock_guard inner(mutex_);
      root_ = root;
    }
    send_(channel::Verified{id, gate_.step(), root, stats});
  };
  events.failed = [this, id](const Error& error) { fail(id, error); };
  source_ = std::make_unique<Source>(std::move(options), static_cast<SourceProgram&>(*this),
                                     std::move(events));
}

/// With `mutex_` held, at a boundary: the state as the source's engine reads it.
StateView TrainerRole::view() {
  auto now = tracker_.state_view();
  now.step = gate_.step();
  // While updates are logged, what they rewrite changes with the layout only.
  const bool same = log_ && latest_ && latest_->layout == now.layout;
  now.shards =
      same ? latest_->shards : std::make_shared<const std::vector<Shard>>(tracker_.shards());
  return now;
}

/// With `mutex_` held, at a boundary.
void TrainerRole::pass_with_log() {
  window_->open(gate_.step(), latest_->fence);
  if (!std::exchange(captured_, false)) {
    // A step that was skipped, or taken behind the session's back: the log must not have a hole.
    UpdateEntry entry;
    entry.step = gate_.step();
    log_->append(std::move(entry));
    if (freeze_asked_) gate_.park();
  }
  log_->end_step(gate_.step());
}

void TrainerRole::before_step(const void* optimizer) {
  std::shared_ptr<UpdateLog> log;
  std::shared_ptr<StateWindow> window;
  {
    const std::lock_guard lock(mutex_);
    if (log_ && log_->closed()) {
      log_.reset();
      window_.reset();
      if (freeze_asked_) gate_.park();
    }
    log = log_;
    window = window_;
  }
  if (!log) return;
  std::optional<UpdateEntry> entry;
  try {
    entry = tracker_.capture(optimizer);
  } catch (...) {  // such as no memory for a gradient's copy: the agent's news, not the loop's
    const std::lock_guard lock(mutex_);
    fail(migration_, error_of(std::current_exception()));
  }
  if (!entry) return;
  entry->step = gate_.step() + 1;
  log->append(std::move(*entry));  // may wait for room
  captured_ = true;
  bool last = log->holds_each();
  {
    const std::lock_guard lock(mutex_);
    last = last || (freeze_asked_ && log_ == log);
  }
  if (last) {
    // Its gradients go over before the step is taken here: the target takes it at the same time.
    log->wait_until_sent(gate_.step() + 1);
    const std::lock_guard lock(mutex_);
    if (freeze_asked_ && log_ == log) gate_.park();
  }
  window->close();
}

}  // namespace cardswap
