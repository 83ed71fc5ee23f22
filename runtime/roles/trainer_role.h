#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/departed_role.h"
#include "runtime/roles/role_context.h"
#include "runtime/roles/source_role.h"
#include "runtime/roles/standby_role.h"

namespace cardswap {

/// This process's part in migrations: the source of one at a time, or what its first one came to.
///
/// It tells each message to the side, and lets a role carry out the answer. The channel's thread
/// calls it (agent messages), the training thread (the gate's hooks) and, through the roles, an
/// engine's thread. It takes the mutex for the calls to a role that need it, and asserts that for
/// clang, which does not see that the role's context is the one here.
class TrainerRole {
 public:
  TrainerRole(StepGate& gate, Tracker& tracker, ArenaRelocator& relocator,
              RoleContext::AgentPort agent)
      : context_(gate, tracker, relocator, std::move(agent)) {}
  ~TrainerRole();
  TrainerRole(const TrainerRole&) = delete;
  TrainerRole& operator=(const TrainerRole&) = delete;

  // ---- the channel's thread
  void enter_standby(const channel::Welcome& welcome);
  void handle(const channel::Message& message);
  /// Sends again what an agent that was away may have missed; called now and then.
  void resend_pending() { standby_.resend_pending(); }
  /// How late the job's steps are, where that is of interest and has changed.
  void report_lateness();
  /// What a Hello says of the migration under way.
  void describe(channel::Hello& hello);

  // ---- the training thread
  /// Called before an optimizer's step, while the gate has attention.
  void before_step(const void* optimizer) { source_.before_step(optimizer); }
  /// The migration under way cannot go on, for what the program did at a step; none: nothing.
  void fail(const Error& why) { source_.fail(why); }
  /// Whether it is of interest which gradients a step uses.
  [[nodiscard]] bool wants_gradients() const { return source_.wants_gradients(); }
  void on_boundary();
  void on_parked();
  void on_resume() { standby_.on_resume(); }
  void on_begin() { context_.lateness.step_begins(); }
  /// Ends the engines; they say nothing more.
  void stop();

  // ---- any thread
  [[nodiscard]] bool is_standby() const { return cardswap::is_standby(context_.state()); }
  /// Whether the process may be dumped at any moment: nothing may be sent.
  [[nodiscard]] bool is_departed() const { return cardswap::is_departed(context_.state()); }
  [[nodiscard]] std::uint64_t epoch() const { return context_.epoch; }
  void set_epoch(std::uint64_t epoch) { context_.epoch = epoch; }

 private:
  /// What a word asks for, and what has to end for it.
  struct RoleWork {
    TrainerAction action = TrainerAction::none;
    std::string migration;  ///< in which it was said
    std::unique_ptr<Source> source;
    std::unique_ptr<Target> target;
  };
  /// Tells a word to the side, and each role what it is to know at the same moment.
  RoleWork apply(const channel::Message& message);
  void hold(const VerifiedState& state);
  void refuse(const channel::Message& message, const std::string& migration) const;

  RoleContext context_;
  SourceRole source_{context_};
  StandbyRole standby_{context_};
  DepartedRole departed_{context_};
};

}  // namespace cardswap
