#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "migrator/engine/source/source.h"
#include "migrator/engine/source/state_window.h"
#include "migrator/engine/source/update_log.h"
#include "runtime/roles/role_context.h"
#include "runtime/value_block.h"

namespace cardswap {

/// This process as the source of a migration. It starts the engine, shows it the state at each
/// boundary, brings the trainer to a stand for it, and lets the trainer go.
///
/// The table says which of this is done; nothing here looks at the state to decide it. The engine's
/// thread calls the SourceProgram and its events.
class SourceRole final : private SourceProgram {
 public:
  explicit SourceRole(RoleContext& context) : context_(context) {}

  /// Asserts that the context's mutex is held: for whoever has locked it.
  void assert_held() const CARDSWAP_ASSERTS_HELD(context_.mutex) { context_.mutex.assert_held(); }

  // ---- the channel's thread
  /// Lets the engine begin at one of the next boundaries.
  void prepare(const channel::BeginSync& begin) CARDSWAP_REQUIRES(context_.mutex);
  /// Makes the trainer stand at the next boundary, or, while updates are logged, when the last one
  /// has gone out. Also on the engine's thread.
  void park() CARDSWAP_REQUIRES(context_.mutex);
  /// The engine, to be destroyed without the mutex; the log takes nothing more.
  [[nodiscard]] std::unique_ptr<Source> take_engine() CARDSWAP_REQUIRES(context_.mutex);
  /// The engine, as take_engine() has it; nothing of the migration is left.
  [[nodiscard]] std::unique_ptr<Source> take_all() CARDSWAP_REQUIRES(context_.mutex);
  /// Ends the engine of a trainer that stands on, and what it saw.
  void end(std::unique_ptr<Source> engine);
  /// Lets the job go on and ends the engine; the agent hears that both are so.
  void end_migration(std::unique_ptr<Source> engine, const std::string& migration);

  // ---- the training thread
  void on_boundary();
  void on_parked();
  /// Called behind the step that its standby took too.
  void on_rehearsed();
  /// Called before an optimizer's step, while the gate has attention.
  void before_step(const void* optimizer);
  /// Whether it is of interest which gradients a step uses.
  [[nodiscard]] bool wants_gradients() const { return wants_gradients_; }
  /// Fails the migration under way, if there is one, for what the program did at a step.
  void fail(const Error& why);

 private:
  // SourceProgram
  StateView state_view() override;
  std::uint64_t step() override { return context_.gate.step(); }
  double median_step_ms() override { return context_.gate.median_step_ms(); }
  void throttle(double share) override { context_.gate.throttle(share); }
  std::optional<std::string> cannot_rehearse() override { return context_.agent.not_rehearsed(); }
  std::vector<std::string> differing_values(std::span<const std::byte> here,
                                            std::span<const std::byte> there) override {
    return cardswap::differing_values(here, there);
  }
  bool begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) override;

  /// What a boundary is for, as it was when that was reached: the program is looked at by this,
  /// without the mutex.
  struct Boundary {
    std::string migration;
    Arrival arrival = Arrival::standby;
    std::optional<Strategy> asked;  ///< by a migration whose engine is still to begin; else none
    int number = 0;                 ///< the first one after that was wanted is 1
    // While updates are logged; owners: the role, the engine and a boundary under way.
    std::shared_ptr<UpdateLog> log;
    std::shared_ptr<StateWindow> window;
    std::shared_ptr<const StateView> before;  ///< `latest_`
  };
  /// Notes what this boundary is for; none: no migration wants anything of it.
  [[nodiscard]] std::optional<Boundary> reach_boundary();
  /// What the engine may send; none: nothing yet. Throws what makes an end of the migration.
  [[nodiscard]] std::optional<StateView> view_of_state(const Boundary& boundary);
  [[nodiscard]] std::optional<StateView> view_of_arenas(const Boundary& boundary);
  /// The state as the engine reads it; `before`, while updates are logged, as it read it last.
  [[nodiscard]] StateView view(const StateView* before);
  void end_logged_step(const Boundary& boundary, const Fence& fence);
  /// Gives the engine what was seen, or begins it, unless the migration is over.
  void publish(const Boundary& boundary, StateView seen);
  /// Ends a migration whose engine did not begin, unless it is over.
  void give_up(const std::string& migration, const Error& why);
  void give_early(const std::shared_ptr<UpdateLog>& log);
  /// Ends that, where no log hears of it any more.
  void end_giving_early();
  void start_engine(const channel::BeginSync& begin) CARDSWAP_REQUIRES(context_.mutex);

  void offer_freeze(const std::string& migration, double expected_ms);
  void put_off_freeze(const std::string& migration);
  void rehearse(const std::string& migration);

  RoleContext& context_;
  std::atomic<bool> wants_gradients_{false};
  bool captured_ = false;  // since the last boundary; training thread only
  // Training thread only, the log that hears of gradients:
  std::weak_ptr<UpdateLog> given_early_;
  bool gives_early_ = false;  // also one that is gone

  /// The migration that is wanted; its engine starts at one of the next boundaries.
  std::optional<channel::BeginSync> begin_ CARDSWAP_GUARDED_BY(context_.mutex);
  int boundaries_seen_ CARDSWAP_GUARDED_BY(context_.mutex) = 0;  // since it was wanted
  /// What the engine reads. Owners: this, and a boundary or an engine's look under way; so that the
  /// last one, which may let go of the program's memory, does so without the mutex.
  std::shared_ptr<const StateView> latest_ CARDSWAP_GUARDED_BY(context_.mutex);
  /// The log, while the engine replays.
  std::shared_ptr<UpdateLog> log_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::shared_ptr<StateWindow> window_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::unique_ptr<Source> engine_ CARDSWAP_GUARDED_BY(context_.mutex);
};

}  // namespace cardswap
