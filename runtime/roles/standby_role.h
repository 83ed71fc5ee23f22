#pragma once

#include <map>
#include <memory>

#include "migrator/engine/target/target.h"
#include "runtime/roles/gang_work.h"
#include "runtime/roles/role_context.h"

namespace cardswap {

/// This process as the one that a job moves to. It is parked and receives the job's state, or was
/// restored with the whole state; it takes the grant; it waits after its first step until its agent
/// has recorded that step.
///
/// As the newcomer of a gang it builds the next communicators beside that, tries them together with
/// the ranks that stay before it says that it holds the state, and puts them in with the grant.
///
/// The table says what is done. Only resend_pending() looks at the state, to decide what is sent
/// again. The engine's threads call the TargetProgram and the TargetCallbacks.
class StandbyRole final : private TargetProgram {
 public:
  StandbyRole(RoleContext& context, GangWork& work) : context_(context), work_(work) {}

  /// Tells clang that the context's mutex is held; for a caller that has locked it.
  void assert_held() const CARDSWAP_ASSERTS_HELD(context_.mutex) { context_.mutex.assert_held(); }

  // ---- before the channel's thread starts
  /// Makes this process a standby, which parks at its first boundary.
  void enter(const channel::Welcome& welcome) CARDSWAP_REQUIRES(context_.mutex);

  // ---- the channel's thread
  /// Stores which state this process holds, after CRIU has restored it.
  void set_verified(const VerifiedState& state) CARDSWAP_REQUIRES(context_.mutex) {
    verified_ = state;
  }
  /// Returns the engine, which the caller destroys without the mutex. Null: there is none.
  [[nodiscard]] std::unique_ptr<Target> take_engine() CARDSWAP_REQUIRES(context_.mutex) {
    return std::move(engine_);
  }
  /// Takes the grant: destroys the engine, makes the process outlive its agent, and lets the loop
  /// go on. If that fails, Failed is sent.
  void accept_grant(std::unique_ptr<Target> engine, const channel::Grant& grant);
  /// Sends FirstStep again while it waits for the agent's answer, which may not have got it. Called
  /// at each tick of the channel.
  void resend_pending();

  // ---- the training thread
  /// Called when it is parked at its first boundary: starts the engine, which listens for the
  /// source.
  void on_parked();
  /// Called when it is parked after the rehearsed step.
  void on_rehearsed();
  /// Called at a watched boundary: reports its first own step, and parks after it.
  void on_boundary();
  /// Called just before the loop goes on: reports that the job has resumed, if it was granted.
  void on_resume();
  /// Called before it takes a step after it was parked or held.
  void on_let_go();

 private:
  // TargetProgram
  StateView adopt(const Layout& wanted) override;
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override;
  Device& device_of(ParameterId parameter) override;
  void replay(const ReceivedUpdate& update) override;
  void rehearse(std::uint64_t step) override;

  /// Says that this process holds `state`, unless the migration is over.
  void say_verified(const std::string& migration, const VerifiedState& state);
  // Of a newcomer of a gang:
  [[nodiscard]] bool is_newcomer();
  void build_next(const channel::GangPlace& gang, const std::string& migration);
  void try_next(const std::string& migration, const VerifiedState& state);

  RoleContext& context_;
  GangWork& work_;
  bool is_tried_ = false;      // the thread of GangWork: the next communicators work
  bool arrives_held_ = false;  // training thread: the job has arrived, and has not gone on yet
  channel::Welcome welcome_ CARDSWAP_GUARDED_BY(context_.mutex);
  VerifiedState verified_ CARDSWAP_GUARDED_BY(context_.mutex);  // from standby_verified on
  /// Where each parameter's optimizer reads its gradient; a parameter that is missing: on the cpu.
  std::map<ParameterId, std::shared_ptr<Device>> gradients_on_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::unique_ptr<Target> engine_ CARDSWAP_GUARDED_BY(context_.mutex);
};

}  // namespace cardswap
