#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "agent/handover/base/decision_answer.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/migration_intake.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/migration_task.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// The door to the migrations by which this agent's jobs leave. The API, operators, targets in
/// doubt and runtimes speak to it, and it passes each word on to the right migration.
///
/// Behind it, MigrationList keeps the migrations, MigrationIntake takes in new ones, and a
/// MigrationTask works on each, with TargetLinks to its target. Callers read the migrations that it
/// shows, and ask here for every change. Owned by the agent; one thread. A caller that waits looks
/// its migration up again.
class Migrations {
 public:
  /// `forgetting` is told of one that is over before it is forgotten.
  Migrations(const HandoverContext& context, std::function<void(const Migration&)> forgetting);

  /// Takes up what a former agent left: before the commit it is aborted, after it finished.
  void resume_after_restart();

  /// The request for start() or plan(): MigrationIntake::prepared().
  asio::awaitable<MigrationRequest> prepared(MigrationRequest wanted) {
    return intake_.prepared(std::move(wanted));
  }
  /// Checks what can be checked at once, records it, and starts it. Throws Error.
  const Migration& start(MigrationRequest wanted);
  /// Preflight and prediction only. What start() throws, it throws.
  asio::awaitable<boost::json::object> plan(MigrationRequest wanted);
  /// Throws Error{conflict} once committed.
  void cancel(const std::string& id);
  /// Lets one go on that a failpoint holds.
  void proceed(const std::string& id);
  /// The operator's word, once committed: force_migration().
  asio::awaitable<void> force(std::string id, OperatorDecision order);

  /// Throws Error{not_found}.
  [[nodiscard]] const Migration& at(const std::string& id) const { return list_.at(id); }
  [[nodiscard]] bool has(const std::string& id) const { return list_.has(id); }
  [[nodiscard]] const std::list<Migration>& all() const { return list_.all(); }
  /// The migrations by which a process here, an instance, leaves or was to leave; the latest comes
  /// last.
  [[nodiscard]] std::vector<const Migration*> all_of(const std::string& instance) const {
    return list_.all_of(instance);
  }
  /// The one that `source` leaves by now, or null.
  [[nodiscard]] const Migration* find_running(const Instance& source) const {
    return list_.find_running(source.id());
  }
  /// MigrationList::has_lost_the_record_of().
  [[nodiscard]] bool has_lost_the_record_of(const Job& job) const {
    return list_.has_lost_the_record_of(job);
  }
  /// Notified of each change of `m`, which is one of them, and not forgotten while somebody waits.
  [[nodiscard]] Signal& changed(const Migration& m) { return list_.changed(m); }
  /// MigrationIntake::moves_within().
  [[nodiscard]] bool moves_within(const ReservationRequest& asked, const Instance& leaving,
                                  const Caller& caller) const {
    return intake_.moves_within(asked, leaving, caller);
  }
  /// MigrationIntake::may_stand_beside().
  [[nodiscard]] bool may_stand_beside(const ReservationRequest& asked, const Instance& leaving,
                                      const Caller& caller) const {
    return intake_.may_stand_beside(asked, leaving, caller);
  }
  /// Answers a target in doubt. `state` is the target's own, where it tells: what it may not know
  /// is found out by asking it. Inside TLS only the agent to which it goes is told: its certificate
  /// is for that host.
  [[nodiscard]] DecisionAnswer decision(const std::string& id, const std::string& state,
                                        const Caller& caller);

  // from the runtimes
  /// A job's primary attaches: for which migration it stands, if for one, where only it knows.
  void on_attach(Instance& source, const channel::Hello& hello) const;
  void on_hello(const Instance& source, const channel::Hello& hello);
  void on_message(Instance& source, const channel::Message& message);
  void on_detached(const Instance& source);
  void on_exit(Instance& source);
  /// A job's process is about to be asked to end. Where it stands for a migration that is not
  /// decided, that is given up: its program would hear of nothing before that is over.
  void on_stop(const Instance& source);

 private:
  /// What works on `m`; it is made where there is none, and goes when `m` is forgotten.
  std::shared_ptr<MigrationTask> task_of(Migration& m);
  [[nodiscard]] bool is_pinned(const Migration& m) const;
  /// Brings back the states on GPUs of moves that were over when a former agent ended.
  void bring_gpu_states_back();

  const HandoverContext context_;
  MigrationList list_;
  TargetClient targets_;
  PredictionBook book_;
  MigrationIntake intake_;
  std::map<std::string, std::shared_ptr<MigrationTask>> tasks_;  // by migration
};

}  // namespace cardswap
