#pragma once

#include <map>
#include <memory>

#include "migrator/engine/target/target.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process as the one that a job comes to: it stands and is filled, or was restored with all
/// of it; takes the grant; and waits behind its first step until its agent has recorded that.
///
/// The table says which of this is done; nothing here looks at the state to decide it. The engine's
/// threads call the TargetProgram and its events.
class StandbyRole final : private TargetProgram {
 public:
  explicit StandbyRole(RoleContext& context) : context_(context) {}

  /// Asserts that the context's mutex is held: for whoever has locked it.
  void assert_held() const CARDSWAP_ASSERTS_HELD(context_.mutex) { context_.mutex.assert_held(); }

  // ---- the channel's thread
  /// Parks at the first boundary.
  void enter(const channel::Welcome& welcome) CARDSWAP_REQUIRES(context_.mutex);
  /// Takes what a process that was restored holds.
  void hold(const VerifiedState& state) CARDSWAP_REQUIRES(context_.mutex) { verified_ = state; }
  /// The engine, to be destroyed without the mutex.
  [[nodiscard]] std::unique_ptr<Target> take_engine() CARDSWAP_REQUIRES(context_.mutex) {
    return std::move(engine_);
  }
  /// Takes the grant: the engine ends, the process no longer dies with its agent, and the loop goes
  /// on. A grant that cannot be taken is the agent's news.
  void take_grant(std::unique_ptr<Target> engine, const channel::Grant& grant);
  /// Sends again what an agent that was away may have missed; called now and then.
  void resend_pending();

  // ---- the training thread
  /// Called once it stands: the engine listens for the source.
  void on_parked();
  /// Called where it stands behind the step that its source took too.
  void on_rehearsed();
  /// Called at a boundary: its first own step may be done.
  void on_boundary();
  void on_resume();

 private:
  // TargetProgram
  StateView adopt(const Layout& wanted) override;
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override;
  Device& device_of(ParameterId parameter) override;
  void replay(const ReceivedUpdate& update) override;
  void rehearse(std::uint64_t step) override;

  RoleContext& context_;
  channel::Welcome welcome_ CARDSWAP_GUARDED_BY(context_.mutex);
  VerifiedState verified_ CARDSWAP_GUARDED_BY(context_.mutex);  // from `verified` on
  std::map<ParameterId, std::shared_ptr<Device>> gradients_on_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::unique_ptr<Target> engine_ CARDSWAP_GUARDED_BY(context_.mutex);
};

}  // namespace cardswap
