#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/handover/base/decision_answer.h"
#include "agent/handover/base/handover_context.h"
#include "agent/handover/base/reservation_request.h"
#include "agent/handover/protocol/operator_decision.h"
#include "agent/handover/source/migration_factory.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/migration_request.h"
#include "agent/handover/source/migration_task.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"
#include "agent/security/access.h"

namespace cardswap {

/// The facade of the migrations by which this agent's jobs leave. It passes each request of the
/// API, of an operator or of a target in doubt, and each message of a runtime, on to the right
/// migration.
///
/// Behind it, MigrationList keeps the migrations, MigrationFactory makes new ones, and a
/// MigrationTask works on each, with TargetCouriers to its target. Callers may read a Migration,
/// and change it only through this class. Owned by the agent; one thread. A caller that waits looks
/// its migration up again afterwards. A function that takes an id throws Error{not_found} for an
/// unknown one.
class Migrations {
 public:
  /// `forgetting`, which may be empty, is called with an ended migration before it is forgotten.
  Migrations(const HandoverContext& context, std::function<void(const Migration&)> forgetting);

  /// Goes on with the migrations that a former agent left: one that was not committed is given up,
  /// any other is finished. Call it once, first. Throws Error{io, corrupt} if the disk refuses.
  void take_up_after_restart();

  /// MigrationFactory::located(): the address that `to` means.
  asio::awaitable<std::string> located(std::string to) { return factory_.located(std::move(to)); }
  /// MigrationFactory::prepare(): makes a request ready for start() or plan(). For a move, or a
  /// rehearsal, then does make_way(), if start() would not refuse the request in any case: throws
  /// what start() would throw, and the snapshot goes on.
  asio::awaitable<MigrationRequest> prepare(MigrationRequest wanted);
  /// Gives up a snapshot of the job that nobody has asked for (MigrationRequest::yields_to_moves),
  /// and waits until it is over; the job trains on. Does nothing if there is none. Throws
  /// Error{conflict} if it is not over within 15 s, and what cancel() throws.
  asio::awaitable<void> make_way(std::string job);
  /// Checks what can be checked at once, records a migration, and starts it. Throws what
  /// MigrationFactory::require_movable() and make() throw, Error{refused} for an obstacle that
  /// the runtime reported, and Error{io, corrupt} if the disk refuses.
  const Migration& start(MigrationRequest wanted);
  /// plan_migration(): preflight and prediction only.
  asio::awaitable<boost::json::object> plan(MigrationRequest wanted);
  /// Gives a migration up; returns at once. Throws Error{conflict} if it is committed, over or
  /// being given up already.
  void cancel(const std::string& id);
  /// Lets a migration that a failpoint holds go on.
  void proceed(const std::string& id);
  /// force_migration(): an operator's decision about a committed migration.
  asio::awaitable<void> force(std::string id, OperatorDecision decision);

  /// Throws Error{not_found}.
  [[nodiscard]] const Migration& at(const std::string& id) const { return list_.at(id); }
  [[nodiscard]] bool has(const std::string& id) const { return list_.has(id); }
  [[nodiscard]] const std::list<Migration>& all() const { return list_.all(); }
  /// MigrationList::changes().
  [[nodiscard]] std::uint64_t changes() const { return list_.changes(); }
  /// The migrations by which a process here, an instance, leaves or was to leave; the latest comes
  /// last.
  [[nodiscard]] std::vector<const Migration*> migrations_of(const std::string& instance) const {
    return list_.items_of(instance);
  }
  /// The migration that is not over and by which `source` leaves. Null: there is none.
  [[nodiscard]] const Migration* find_running(const Instance& source) const {
    return list_.find_running(source.id());
  }
  /// MigrationList::has_lost_the_record_of().
  [[nodiscard]] bool has_lost_the_record_of(const Job& job) const {
    return list_.has_lost_the_record_of(job);
  }
  /// Notified of each change of `m`, a migration of this class. `m` is not forgotten while somebody
  /// waits for it.
  [[nodiscard]] Signal& changed(const Migration& m) { return list_.changed(m); }
  /// Returns when that migration is over or forgotten.
  asio::awaitable<void> wait_until_over(std::string id);
  /// MigrationFactory::is_own_request().
  [[nodiscard]] bool is_own_request(const ReservationRequest& asked, const Instance& leaving,
                                    const Caller& caller) const {
    return factory_.is_own_request(asked, leaving, caller);
  }
  /// MigrationFactory::may_run_beside_job().
  [[nodiscard]] bool may_run_beside_job(const ReservationRequest& asked, const Instance& leaving,
                                        const Caller& caller) const {
    return factory_.may_run_beside_job(asked, leaving, caller);
  }
  /// The answer to a target in doubt, which says that its state is `said` (nullopt: it does not
  /// say, or says none that is known). With TLS only the agent at the migration's target, by the
  /// hosts of its certificate, and this agent's owner are answered; another caller gets
  /// Error{not_found}. Throws Error{io, corrupt} if the disk refuses.
  [[nodiscard]] DecisionAnswer decision(const std::string& id,
                                        std::optional<handover::TargetState> said,
                                        const Caller& caller);

  // from the runtimes
  /// A job's primary attaches. If it is frozen for a migration that the job's record does not have,
  /// notes that migration; if it steps and no migration runs, clears it.
  void on_attach(Instance& source, const channel::Hello& hello) const;
  void on_hello(const Instance& source, const channel::Hello& hello);
  void on_message(Instance& source, const channel::Message& message);
  void on_detached(const Instance& source);
  void on_exit(Instance& source);
  /// A job's process is about to be asked to end. Gives a migration up for which it is frozen and
  /// that is not decided: a frozen program would not hear the request.
  void on_stop(const Instance& source);

 private:
  /// The snapshot that make_way() would give up. Null: there is none.
  [[nodiscard]] const Migration* find_yielding(const std::string& job) const;
  /// The migration that start() adds; throws what it throws before. `passed_over`: as
  /// MigrationFactory::require_movable() has it.
  [[nodiscard]] Migration make(MigrationRequest wanted, const Migration* passed_over = nullptr);
  /// The task of `m`; made if there is none, and erased when `m` is forgotten.
  std::shared_ptr<MigrationTask> task_of(Migration& m);
  [[nodiscard]] bool is_pinned(const Migration& m) const;
  /// Gives processes their CUDA state back whose move was over when a former agent ended.
  void bring_gpu_states_back();

  const HandoverContext context_;
  MigrationList list_;
  TargetClient targets_;
  PredictionBook book_;
  MigrationFactory factory_;
  std::map<std::string, std::shared_ptr<MigrationTask>> tasks_;  // by migration
};

}  // namespace cardswap
