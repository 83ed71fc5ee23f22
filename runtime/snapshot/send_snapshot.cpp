#include "runtime/snapshot/send_snapshot.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/source/source.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/named_objects.h"
#include "runtime/agent_channel.h"
#include "runtime/process_hello.h"
#include "runtime/roles/trainer_side.h"
#include "runtime/snapshot/log_feed.h"
#include "runtime/snapshot/read_snapshot.h"
#include "runtime/source_options.h"

namespace cardswap {
namespace {

using Action = TrainerAction;

/// The place of a job's process at the agent, and the program of the source's engine.
///
/// It attaches before it has the state, so that the job's program starts while the snapshot is
/// read; a migration that the agent begins meanwhile waits in `preparing` for hold(). The channel's
/// thread handles the agent's messages, the engine's thread its callbacks; both change `side_` with
/// the mutex held. An engine is never destroyed with the mutex held: its thread may be waiting for
/// it. The channel and the engine are declared last: their threads end first.
class SnapshotSender final : private SourceProgram {
 public:
  /// Tells the agent how large the state of `layout` is.
  explicit SnapshotSender(const Layout& layout)
      : token_(environment::value_of(environment::kToken)),
        job_(environment::value_of(environment::kJob)),
        channel_(environment::value_of(environment::kSocket),
                 {[this] { return hello(); },
                  [this](const channel::Message& message) { take(message); },
                  {}}) {
    if (!channel_.welcome().granted) {
      throw Error(Code::refused, "the agent took the snapshot sender for a standby");
    }
    channel_.start();
    tracked_.state_bytes = layout.total_bytes();
    tracked_.regions = static_cast<std::uint32_t>(layout.regions().size());
    tracked_.layout = layout.digest();
    channel_.send(tracked_);
  }

  /// Takes the whole state, which is proven, and tells the agent at which step it stands. Once.
  /// `log`: what leads there from the snapshot; null: the state is sent as it is. It outlives this.
  void hold(CapturedState state, LoggedUpdates* log) {
    const MutexLock lock(mutex_);
    state_ = std::move(state);
    log_ = log;
    holds_ = true;
    channel_.send(channel::Stepped{state_.step, 0});
    channel_.send(tracked_);  // the agent looks at its jobs at that
    if (side_.state() == TrainerState::preparing) begin(begin_);
  }

  /// Returns when the job was moved.
  void run() {
    MutexLock lock(mutex_);
    while (side_.state() != TrainerState::retired) retired_.wait(lock);
  }
  void close() {
    channel_.send(channel::Ended{state_.step, true});
    channel_.close();
  }

 private:
  StateView state_view() override { return state_.view; }
  std::uint64_t step() override { return state_.step; }
  double median_step_ms() override { return 0; }
  bool takes_no_steps() override { return true; }
  LoggedUpdates* logged_updates() override { return log_; }

  channel::Hello hello() {
    auto hello = hello_of_process(job_, token_, channel::Role::primary, {});
    const MutexLock lock(mutex_);
    hello.migration = side_.migration();
    hello.frozen = must_park(side_.state());
    return hello;
  }

  void take(const channel::Message& message) {
    std::unique_ptr<Source> ended;
    std::string migration;
    auto action = Action::none;
    {
      const MutexLock lock(mutex_);
      migration = side_.migration();
      action = side_.on(message);
      if (action == Action::watch) {
        begin_ = std::get<channel::BeginSync>(message);
        if (holds_) begin(begin_);
      }
      if (action == Action::park && engine_) engine_->freeze(frozen());
      if (action == Action::end_migration || action == Action::retire) ended = std::move(engine_);
    }
    ended.reset();
    if (action == Action::end_migration || action == Action::answer) {
      channel_.send(channel::Released{migration});
    } else if (action == Action::refuse) {
      channel_.send(channel::Failed{migration,
                                    Code::bad_request,
                                    "a snapshot sender has no process that could go itself",
                                    {}});
    } else if (action == Action::retire) {
      retired_.notify_all();
    }
  }

  [[nodiscard]] FrozenState frozen() const {
    return {state_.view, state_.values, state_.step,
            std::chrono::steady_clock::now().time_since_epoch().count()};
  }

  void begin(const channel::BeginSync& begin) CARDSWAP_REQUIRES(mutex_) {
    const auto id = begin.migration;
    SourceCallbacks callbacks;
    callbacks.progress = [this, id](const MigrationStats& stats) {
      channel_.send(channel::SyncProgress{id, stats});
    };
    callbacks.converged = [this, id](double expected_ms) {
      const MutexLock lock(mutex_);
      if (side_.on(TrainerEvent::freeze_offered, id) != Action::report) return;
      channel_.send(channel::Converged{id, expected_ms});
    };
    callbacks.frozen = [this, id](std::uint64_t step) {
      const MutexLock lock(mutex_);
      if (side_.on(TrainerEvent::freeze_holds, id) != Action::report) return;
      channel_.send(channel::Frozen{id, step});
    };
    callbacks.verified = [this, id](const Digest& state_digest, const MigrationStats& stats) {
      const MutexLock lock(mutex_);
      if (side_.verified(TrainerEvent::digests_equal, id, state_digest) != Action::report) return;
      channel_.send(channel::Verified{id, state_.step, state_digest, stats});
    };
    callbacks.failed = [this, id](const Error& error) {
      channel_.send(channel::Failed{id, error.code(), error.failure(), error.hint()});
    };
    auto options = source_options(begin);
    if (log_ != nullptr) options.spec.chunk_bytes = state_.chunk_bytes;  // the digests are of these
    engine_ = std::make_unique<Source>(std::move(options), static_cast<SourceProgram&>(*this),
                                       std::move(callbacks));
    (void)side_.on(TrainerEvent::engine_began);
  }

  CapturedState state_;  // from hold() on, before there is an engine, and unchanged then
  LoggedUpdates* log_ = nullptr;  // as that
  channel::Tracked tracked_;
  const std::string token_;
  const std::string job_;
  Mutex mutex_;
  Condition retired_;
  bool holds_ CARDSWAP_GUARDED_BY(mutex_) = false;
  channel::BeginSync begin_ CARDSWAP_GUARDED_BY(mutex_);  // the latest one
  TrainerSide side_ CARDSWAP_GUARDED_BY(mutex_);
  AgentChannel channel_;
  std::unique_ptr<Source> engine_ CARDSWAP_GUARDED_BY(mutex_);
};

/// From here on no older copy of the job publishes in that store. A store that cannot be written
/// keeps no job from going on.
void claim_job(store::Store& in, const store::Manifest& about, const SnapshotLabels& labels) {
  const store::EpochClaimant claimant{environment::value_of(environment::kJob), labels.run,
                                      labels.epoch, labels.origin.host};
  try {
    store::claim_epoch(in, claimant);
    if (about.job == claimant.job) store::take_over_run(in, claimant, about.run, about.epoch);
  } catch (const Error& error) {
    if (error.code() == Code::conflict) throw;
    fmt::print(stderr,
               "cardswap-keeper: an older copy of the job that lives elsewhere may go on taking "
               "snapshots into the store: {}\n",
               error.what());
  }
}

}  // namespace

void send_snapshot(store::Store& from, const store::ObjectId& manifest,
                   const SnapshotLabels& labels, const LogEnd& log) {
  const auto about = store::get_manifest(from, manifest);
  std::optional<LogFeed> feed;
  SnapshotSender sender(about.layout);
  auto state = read_snapshot(from, manifest);
  if (log.step != 0) {
    store::Ref base;
    base.job = about.job;
    base.manifest = manifest;
    base.step = about.step;
    base.epoch = about.epoch;
    base.run = about.run;
    feed.emplace(from, base, log.branch, log.step, state);
  }
  claim_job(from, about, labels);
  sender.hold(std::move(state), feed ? &*feed : nullptr);
  sender.run();
  sender.close();
}

}  // namespace cardswap
