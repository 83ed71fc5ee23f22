#pragma once

#include <cstdint>
#include <string>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/gang_work.h"
#include "runtime/roles/role_context.h"
#include "runtime/roles/staying_side.h"

namespace cardswap {

/// This process as a rank that stays while other ranks of its job move: a gang,
/// docs/architecture.md.
///
/// StayingSide says what is done, and changes with the context's mutex held. The next communicators
/// are built on the thread of GangWork and tried on the training thread; the channel's thread waits
/// for neither. A process is in a migration or stays in a gang, never both.
class StayingRole {
 public:
  StayingRole(RoleContext& context, GangWork& work) : context_(context), work_(work) {}

  // ---- the channel's thread
  /// Obeys a message that is for a rank that stays. False: it is for another role.
  bool handle(const channel::Message& message);
  /// Fills in what a Hello says of the gang under way, if there is one. Also called before the
  /// thread starts.
  void describe(channel::Hello& hello);

  /// Whether a gang is under way in which this rank stays.
  [[nodiscard]] bool is_in_gang();

  // ---- the training thread
  /// Called at a watched boundary: reports its first step with the next communicators.
  void on_boundary();
  /// Called when it is parked: reports that it stands at the step for which it is armed.
  void on_parked();

 private:
  [[nodiscard]] bool is_for_this(const channel::Message& message) const
      CARDSWAP_REQUIRES(context_.mutex);
  void act(StayingAction action, const channel::Message& message) CARDSWAP_REQUIRES(context_.mutex);
  void build(const channel::BuildNext& build) CARDSWAP_REQUIRES(context_.mutex);
  void arm(std::uint64_t step) CARDSWAP_REQUIRES(context_.mutex);
  void check() CARDSWAP_REQUIRES(context_.mutex);
  void close() CARDSWAP_REQUIRES(context_.mutex);
  void release(const std::string& gang) CARDSWAP_REQUIRES(context_.mutex);
  /// Tells again what its agent asks for again.
  void repeat() CARDSWAP_REQUIRES(context_.mutex);
  void say_built() CARDSWAP_REQUIRES(context_.mutex);
  void say_checked() CARDSWAP_REQUIRES(context_.mutex);
  void say_stepped() CARDSWAP_REQUIRES(context_.mutex);
  /// The results of what is done beside the loop; ignored if `gang` is over by then.
  void on_built(const std::string& gang);
  void on_not_built(const std::string& gang, const Error& why);
  void on_checked(const std::string& gang);
  void on_check_failed(const std::string& gang, const Error& why);
  void switch_over(const channel::SwitchOver& go);

  RoleContext& context_;
  GangWork& work_;
  StayingSide side_ CARDSWAP_GUARDED_BY(context_.mutex);
  std::uint64_t epoch_ CARDSWAP_GUARDED_BY(context_.mutex) = 0;  ///< that the gang leads to
  std::uint64_t first_step_ CARDSWAP_GUARDED_BY(context_.mutex) = 0;
};

}  // namespace cardswap
