#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/departed_role.h"
#include "runtime/roles/gang_work.h"
#include "runtime/roles/hold_role.h"
#include "runtime/roles/log_role.h"
#include "runtime/roles/role_context.h"
#include "runtime/roles/source_role.h"
#include "runtime/roles/standby_role.h"
#include "runtime/roles/staying_role.h"

namespace cardswap {

/// This process in migrations: at most one as the source at a time, or as the target that it was
/// started for; or as a rank that stays in a gang.
///
/// It tells each message of the agent to the side, except TimeSteps, which only starts a
/// measurement, HoldAt and KeepLog, which are no migration's (HoldRole, LogRole), and what is for a
/// rank that stays (StayingRole), and lets a role carry out the action. Three threads call it: the
/// channel's (agent messages), the training thread (the gate's callbacks) and, through the roles,
/// an engine's. It locks the mutex for the calls to a role that need it, and asserts that for
/// clang, which does not see that the role's context is the one here.
class TrainerRole {
 public:
  TrainerRole(StepGate& gate, Tracker& tracker, ArenaRelocator& relocator,
              RoleContext::AgentPort agent)
      : context_(gate, tracker, relocator, std::move(agent)) {}
  ~TrainerRole();
  TrainerRole(const TrainerRole&) = delete;
  TrainerRole& operator=(const TrainerRole&) = delete;

  // ---- the thread that opens the session, before the channel's thread starts
  void enter_standby(const channel::Welcome& welcome);
  void set_epoch(std::uint64_t epoch) { context_.epoch = epoch; }
  /// How many processes the job has. Also called before the first boundary.
  void set_ranks(std::uint32_t ranks) { context_.ranks = ranks; }
  /// Sets the job's name and framework, for a log of its steps.
  void set_job(const std::string& job, const std::string& framework) {
    log_.set_job(job, framework);
  }
  /// Takes the orders of Welcome::hold_at and Welcome::again_until.
  void set_hold(const channel::Welcome& welcome) {
    hold_.hold_at(welcome.hold_at);
    hold_.take_again_until(welcome.again_until);
  }

  // ---- the channel's thread
  /// Carries out a message of the agent. May wait for the end of an engine, and, to a custodian or
  /// a holder, for some seconds.
  void handle(const channel::Message& message);
  /// Sends again what an agent that was away may have missed. Called at each tick of the channel.
  void resend_pending() {
    standby_.resend_pending();
    hold_.report();
    log_.report();
  }
  /// Sends how late the job's steps are, if that is measured and has changed.
  void report_lateness();
  /// Fills in what a Hello says of the migration under way. Also has report_lateness() send again
  /// what a new agent may not have. Also called before the thread starts.
  void describe(channel::Hello& hello);

  // ---- the training thread
  /// Takes the program's communicators, before the first boundary. Throws as GangWork::set().
  void set_communicators(std::unique_ptr<Communicators> communicators) {
    work_.set(std::move(communicators));
  }
  /// Called before an optimizer's step, while the gate has attention.
  void before_step(const void* optimizer);
  /// Fails the migration under way because of an error in the program's step; does nothing if there
  /// is none.
  void fail(const Error& why) { source_.fail(why); }
  /// Whether the tracker must be told which gradients each step uses.
  [[nodiscard]] bool wants_gradients() const {
    return source_.wants_gradients() || hold_.wants_gradients() || log_.wants_gradients();
  }
  /// Keeps what the program notes for snapshots. False: it is not kept (may_be_noted()).
  bool note(const std::string& name, double value);
  // The gate's callbacks:
  void on_boundary();
  void on_parked();
  void on_resume() { standby_.on_resume(); }
  void on_begin() { context_.lateness.step_begins(); }
  void on_held();
  void on_let_go();
  /// Destroys the engines, waiting for their threads, and sends the last lateness report. Also
  /// called by the destructor.
  void stop();

  // ---- any thread
  [[nodiscard]] bool is_standby() const { return cardswap::is_standby(context_.state()); }
  /// Whether the step under way is none of the job's, or was taken before by another process of it.
  [[nodiscard]] bool holds_effects_back() const { return is_standby() || hold_.is_taken_again(); }
  /// Whether the process may be dumped at any moment: nothing may be sent.
  [[nodiscard]] bool is_departed() const { return cardswap::is_departed(context_.state()); }
  /// The epoch that this process was granted; 0: none yet.
  [[nodiscard]] std::uint64_t epoch() const { return context_.epoch; }
  /// Whether the gang of `epoch` is over, so that its other ranks are waited for no more.
  [[nodiscard]] bool is_given_up(std::uint64_t epoch) const { return work_.is_given_up(epoch); }

 private:
  /// The action that a message asks for, and the engine that must end for it. Null: there is none.
  struct RoleWork {
    TrainerAction action = TrainerAction::none;
    std::string migration;  ///< the migration before the message
    std::unique_ptr<Source> source;
    std::unique_ptr<Target> target;
  };
  /// Tells the side a message, and does what must be done under the same lock.
  RoleWork apply(const channel::Message& message);
  /// Makes a restored process a standby that holds `state`.
  void enter_restored(const VerifiedState& state);
  /// Handles what is for a rank of a gang, and fails a migration that is asked of one that stays.
  /// False: it is for a role in a migration.
  bool handle_in_gang(const channel::Message& message);
  /// Sends Failed for a message that the table refuses.
  void refuse(const channel::Message& message, const std::string& migration) const;

  RoleContext context_;
  GangWork work_;
  SourceRole source_{context_};
  StandbyRole standby_{context_, work_};
  StayingRole staying_{context_, work_};
  DepartedRole departed_{context_};
  HoldRole hold_{context_};
  LogRole log_{context_};
};

}  // namespace cardswap
