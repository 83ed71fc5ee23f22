#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/update_log.h"
#include "migrator/engine/source/source.h"
#include "runtime/roles/role_context.h"
#include "runtime/value_block.h"

namespace cardswap {

/// This process as the source of a migration. It starts the engine, gives it a view of the state at
/// each boundary, parks the trainer for it, and releases the trainer.
///
/// The table says what is done. One thing is decided here by the state: when a trainer that logs
/// updates parks, which is after its last log entry (see rules.h). The engine's thread calls the
/// SourceProgram and the SourceCallbacks.
class SourceRole final : private SourceProgram {
 public:
  explicit SourceRole(RoleContext& context) : context_(context) {}

  /// Tells clang that the context's mutex is held; for a caller that has locked it.
  void assert_held() const CARDSWAP_ASSERTS_HELD(context_.mutex) { context_.mutex.assert_held(); }

  // ---- the channel's thread
  /// Lets the engine begin at one of the next boundaries.
  void prepare(const channel::BeginSync& begin) CARDSWAP_REQUIRES(context_.mutex);
  /// Parks the trainer of a gang at the step on which its ranks agree. False: no such gang is
  /// under way here.
  bool arm(const channel::Arm& arm);
  /// Freezes the trainer of a gang, which is parked at that step. False: as arm().
  bool check(const channel::Check& check);
  /// Parks the trainer at the next boundary; while updates are logged, after the last update
  /// was sent. Also called on the engine's thread.
  void park() CARDSWAP_REQUIRES(context_.mutex);
  /// Waits until the snapshot of which the engine sends a copy is over, for 20 s at most: the
  /// program ends. Called on any thread but the channel's and the engine's.
  void await_copy();
  /// Closes the update log and returns the engine, which the caller destroys without the mutex.
  /// Null: there is none.
  [[nodiscard]] std::unique_ptr<Source> take_engine() CARDSWAP_REQUIRES(context_.mutex);
  /// Does what take_engine() does, and forgets the migration.
  [[nodiscard]] std::unique_ptr<Source> take_all() CARDSWAP_REQUIRES(context_.mutex);
  /// Destroys the engine and the latest view of the state; the trainer stays parked. Waits for
  /// the engine's thread.
  void end(std::unique_ptr<Source> engine);
  /// Lets the job go on, destroys the engine (may be null), and then sends Released.
  void end_migration(std::unique_ptr<Source> engine, const std::string& migration);

  // ---- the training thread
  /// Called at a watched boundary: shows the engine the state, or starts the engine. Returns
  /// whether it has told the tracker of the boundary.
  [[nodiscard]] bool on_boundary();
  /// Called when it is parked in `syncing`: reports that it stands at the step of arm().
  void on_reached();
  /// Called when it is parked in `freezing`: gives the engine the state of that boundary.
  void on_parked();
  /// Called when it is parked after the rehearsed step.
  void on_rehearsed();
  /// Called before an optimizer's step, while the gate has attention; `capture` gives what that
  /// reads.
  using Capture = std::function<std::optional<UpdateEntry>()>;
  void before_step(const Capture& capture);
  /// Whether the tracker must be told which gradients each step uses.
  [[nodiscard]] bool wants_gradients() const { return wants_gradients_; }
  /// Fails the migration under way because of an error in the program's step; does nothing if there
  /// is none.
  void fail(const Error& why);

 private:
  // SourceProgram
  StateView state_view() override;
  std::uint64_t step() override { return context_.gate.step(); }
  double median_step_ms() override { return context_.gate.median_step_ms(); }
  bool takes_no_steps() override { return context_.gate.is_held(); }
  void throttle(double share) override { context_.gate.throttle(share); }
  std::optional<std::string> cannot_rehearse() override;
  std::vector<std::string> differing_values(std::span<const std::byte> here,
                                            std::span<const std::byte> there) override {
    return cardswap::differing_values(here, there);
  }
  bool begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) override;

  /// What is to be done at a boundary: a copy, made with the mutex held, by which the program is
  /// then read without the mutex.
  struct Boundary {
    std::string migration;
    ArrivalMode arrival = ArrivalMode::standby;
    bool of_gang = false;
    /// The strategy of a migration whose engine has not begun yet. Nullopt: there is none.
    std::optional<Strategy> asked;
    int number = 0;  ///< counted from the request for the migration; the first boundary is 1
    // While updates are logged, else null. Owners: the role, the engine and a boundary under way.
    std::shared_ptr<UpdateLog> log;
    std::shared_ptr<StateWindow> window;
    std::shared_ptr<const StateView> before;  ///< `latest_`, which the engine has read
  };
  /// Counts the boundary and returns what is to be done at it. Nullopt: there is no migration.
  [[nodiscard]] std::optional<Boundary> reach_boundary();
  /// The state that the engine may send, for a migration to a standby and for one with CRIU.
  /// Nullopt: not yet. What they throw ends the migration.
  [[nodiscard]] std::optional<StateView> view_of_state(const Boundary& boundary);
  [[nodiscard]] std::optional<StateView> view_of_arenas(const Boundary& boundary);
  /// The present state for the engine. `before` is the latest view while updates are logged, else
  /// null.
  [[nodiscard]] StateView view(const StateView* before);
  /// Closes the step in the log, with an empty entry if no update was captured in it.
  void end_logged_step(const Boundary& boundary, const Fence& fence);
  /// Tells the engine of the new view, or starts the engine; does nothing if the migration is over.
  void publish(const Boundary& boundary, StateView seen);
  /// Fails the migration: its engine cannot begin, or the program cannot be read at a boundary.
  /// Does nothing if it is over.
  void give_up(const std::string& migration, const Error& why);
  /// Gives `log`, from the next step on, each gradient as soon as the backward pass has made it.
  void give_early(const std::shared_ptr<UpdateLog>& log);
  /// Ends give_early() if its log is closed or gone.
  void end_giving_early();
  void start_engine(const channel::BeginSync& begin) CARDSWAP_REQUIRES(context_.mutex);
  /// Why the job's ranks do not move in this way. Nullopt: they do.
  [[nodiscard]] std::optional<Error> wrong_way(const Boundary& boundary) const;
  /// Reports to a gang in place of Frozen, Verified and Failed.
  void report_to_gang(const std::string& gang, SourceCallbacks& callbacks);

  void offer_freeze(const std::string& migration, double expected_ms);
  void put_off_freeze(const std::string& migration);
  void rehearse(const std::string& migration);
  /// Lets the trainer go on from the boundary of `step`: the engine has copied what it was there.
  void go_on_copied(const std::string& migration, std::uint64_t step);

  RoleContext& context_;
  std::atomic<bool> wants_gradients_{false};
  // Training thread only:
  bool captured_ = false;                 // an update, since the last boundary
  bool told_tracker_ = false;             // of this boundary
  std::weak_ptr<UpdateLog> given_early_;  // the log that gets early gradients
  bool gives_early_ = false;              // also while that log is gone

  /// The migration that was requested; its engine starts at one of the next boundaries.
  std::optional<channel::BeginSync> begin_ CARDSWAP_GUARDED_BY(context_.mutex);
  bool of_gang_ CARDSWAP_GUARDED_BY(context_.mutex) = false;
  /// The step at which a gang's rank is to stand. Nullopt: none was proposed.
  std::optional<std::uint64_t> armed_for_ CARDSWAP_GUARDED_BY(context_.mutex);
  Condition engine_taken_;  // with the context's mutex
  /// The boundary at which it stood, or stands, for the engine.
  std::uint64_t stood_at_ CARDSWAP_GUARDED_BY(context_.mutex) = 0;
  int boundaries_seen_ CARDSWAP_GUARDED_BY(context_.mutex) = 0;  // since the request
  /// The view that the engine reads. Owners: this, a boundary under way, and a call of state_view()
  /// under way. The last owner may free memory of the program, and does so without the mutex.
  std::shared_ptr<const StateView> latest_ CARDSWAP_GUARDED_BY(context_.mutex);
  // While the migration logs updates, else null:
  std::shared_ptr<UpdateLog> log_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::shared_ptr<StateWindow> window_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::unique_ptr<Source> engine_ CARDSWAP_GUARDED_BY(context_.mutex);
};

}  // namespace cardswap
