#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/core/notes.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/arena_relocator.h"
#include "runtime/lateness_watch.h"
#include "runtime/roles/trainer_side.h"
#include "runtime/step_gate.h"
#include "runtime/tracker.h"

namespace cardswap {

/// The parts that the roles of one trainer share, and the only place where its TrainerSide changes.
///
/// Three threads use it: the channel's thread with the agent's messages, the training thread with
/// the gate's callbacks, and an engine's thread with the engine's events. Hold `mutex` around each
/// change of the side, together with the role's own change for the new state, so that no thread
/// sees one change without the other. The gate's calls except run_parked(), and the channel's send,
/// may be made with it held. run_parked() waits for the training thread, which may wait for this
/// mutex. Never destroy an engine with it held: the engine's thread may be waiting for it.
///
/// Never call or copy anything of the program with it held: an agent's message would wait for it.
/// Code that reads the program takes the mutex to copy what it needs, reads the program without the
/// mutex, and takes the mutex again to publish the result, unless the migration is over by then.
/// The program is reached only through tracker() and relocator(); clang refuses both where the
/// mutex is held.
class RoleContext {
 public:
  /// The connection to the agent, and the session's own knowledge. The functions are called on the
  /// channel's thread unless said otherwise.
  struct AgentPort {
    std::function<void(const channel::Message&)> send;  ///< any thread; never blocks
    std::function<std::uint64_t()> inode;               ///< the inode of the connection's socket
    /// This process was restored at another agent, which the session uses from now on.
    std::function<void(const channel::Arrived&)> redirect;
    /// Why the job cannot be moved in this way. Nullopt: it can. Called on the training thread
    /// without the mutex, because it reads the program.
    std::function<std::optional<Error>(ArrivalMode)> obstacle;
    /// Why steps must not be rehearsed. Nullopt: they may. Any thread.
    std::function<std::optional<std::string>()> not_rehearsed;
  };
  RoleContext(StepGate& step_gate, Tracker& state_tracker, ArenaRelocator& arena_relocator,
              AgentPort agent_port)
      : gate(step_gate),
        agent(std::move(agent_port)),
        tracker_(state_tracker),
        relocator_(arena_relocator) {}

  StepGate& gate;
  const AgentPort agent;
  Mutex mutex;
  std::atomic<std::uint64_t> epoch{0};  ///< the epoch that this process was granted; 0: none yet
  std::atomic<std::uint32_t> ranks{1};  ///< how many processes the job has
  LatenessWatch lateness{gate};         ///< may be called with the mutex held, or without it
  Notes notes;                          ///< what the program has noted; training thread only

  // With the mutex held:
  [[nodiscard]] const TrainerSide& side() const CARDSWAP_REQUIRES(mutex) { return side_; }
  /// These three tell the side an event, as its own methods do, and return the action to be taken.
  template <class... Event>
  TrainerAction on(Event&&... event) CARDSWAP_REQUIRES(mutex) {
    return published(side_.on(std::forward<Event>(event)...));
  }
  TrainerAction verified(TrainerEvent event, std::string_view migration, const Digest& state_digest)
      CARDSWAP_REQUIRES(mutex) {
    return published(side_.verified(event, migration, state_digest));
  }
  TrainerAction stand_by(const std::string& migration) CARDSWAP_REQUIRES(mutex) {
    return published(side_.stand_by(migration));
  }

  // Without the mutex:
  /// What the program tracks. Training thread only.
  [[nodiscard]] Tracker& tracker() const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex)) {
    return tracker_;
  }
  /// Training thread only, except is_away(): any thread, while the training thread is parked.
  [[nodiscard]] ArenaRelocator& relocator() const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex)) {
    return relocator_;
  }
  /// Runs `task` on the training thread, which must be parked, and waits for its end. Throws what
  /// `task` throws, and Error{internal} if the training thread is not parked any more. Not on the
  /// training thread.
  void on_trainer(std::function<void()> task) const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex));

  // Any thread, with or without the mutex:
  /// The state after the latest change.
  [[nodiscard]] TrainerState state() const { return state_.load(); }
  void send(const channel::Message& message) const { agent.send(message); }
  /// Sends Failed; changes no state.
  void fail(const std::string& migration, const Error& error) const;

 private:
  TrainerAction published(TrainerAction action) CARDSWAP_REQUIRES(mutex) {
    state_ = side_.state();
    return action;
  }

  Tracker& tracker_;
  ArenaRelocator& relocator_;
  TrainerSide side_ CARDSWAP_GUARDED_BY(mutex);
  std::atomic<TrainerState> state_{TrainerState::training};
};

}  // namespace cardswap
