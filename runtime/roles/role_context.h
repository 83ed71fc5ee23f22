#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/base/mutex.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/arena_relocator.h"
#include "runtime/lateness_watch.h"
#include "runtime/roles/trainer_side.h"
#include "runtime/step_gate.h"
#include "runtime/tracker.h"

namespace cardswap {

/// The parts that the roles of one trainer share, and the one place in which its TrainerSide
/// changes.
///
/// Three threads come here: the channel's with its agent's messages, the training thread with the
/// gate's hooks, and an engine's with its events. Hold `mutex` around each change of the side,
/// together with the role's own change for the new state, so that nobody sees one without the
/// other. The gate's calls and the channel's send may be made with it held: they take no lock that
/// waits for this one. Never destroy an engine with it held: the engine's thread may be waiting for
/// it.
///
/// Never call or copy anything of the program with it held, so that an agent's message waits for
/// neither. Code that looks at the program takes the mutex to note its reason, looks without the
/// mutex, and takes it again to publish the result, unless the migration is over by then. tracker()
/// and relocator() are the ways to the program; clang refuses them where the mutex is held.
class RoleContext {
 public:
  /// The line to the agent, on the channel's thread but for `send`, which any thread calls.
  struct AgentPort {
    std::function<void(const channel::Message&)> send;        ///< never blocks
    std::function<std::uint64_t()> inode;                     ///< of the connection's socket
    std::function<void(const channel::Arrived&)> redirected;  ///< this process is elsewhere now
    /// Why the job cannot be moved in this way; nothing when it can. On the training thread, which
    /// asks the program: without the mutex.
    std::function<std::optional<Error>(Arrival)> obstacle;
    /// Why a step is not to be taken by a standby too; nothing when it may be. Any thread.
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
  std::atomic<std::uint64_t> epoch{0};  ///< the epoch that this process was granted
  LatenessWatch lateness{gate};         ///< asked with the mutex held, or without it

  [[nodiscard]] const TrainerSide& side() const CARDSWAP_REQUIRES(mutex) { return side_; }
  template <class... Event>
  TrainerAction on(Event&&... event) CARDSWAP_REQUIRES(mutex) {
    return seen(side_.on(std::forward<Event>(event)...));
  }
  TrainerAction verified(TrainerEvent event, std::string_view migration, const Digest& root)
      CARDSWAP_REQUIRES(mutex) {
    return seen(side_.verified(event, migration, root));
  }
  TrainerAction stand_by(const std::string& migration) CARDSWAP_REQUIRES(mutex) {
    return seen(side_.stand_by(migration));
  }

  // Without it:
  /// What the program tracks. Training thread only.
  [[nodiscard]] Tracker& tracker() const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex)) {
    return tracker_;
  }
  /// Training thread only; is_away() while that stands.
  [[nodiscard]] ArenaRelocator& relocator() const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex)) {
    return relocator_;
  }
  /// Runs `task` on the training thread, which stands. Throws Error{internal} when it does not
  /// stand any more: who waited for it would wait for ever.
  void on_trainer(std::function<void()> task) const CARDSWAP_THREAD_SAFETY(locks_excluded(mutex));

  // Any thread, with or without it:
  /// The state as of the latest change.
  [[nodiscard]] TrainerState state() const { return state_.load(); }
  void send(const channel::Message& message) const { agent.send(message); }
  void fail(const std::string& migration, const Error& error) const;

 private:
  TrainerAction seen(TrainerAction action) CARDSWAP_REQUIRES(mutex) {
    state_ = side_.state();
    return action;
  }

  Tracker& tracker_;
  ArenaRelocator& relocator_;
  TrainerSide side_ CARDSWAP_GUARDED_BY(mutex);
  std::atomic<TrainerState> state_{TrainerState::training};
};

}  // namespace cardswap
