#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "agent/handover/base/pin.h"
#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/lost_time_collector.h"
#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/migration_end.h"
#include "agent/handover/source/source_executor.h"
#include "agent/handover/source/target_couriers.h"

namespace cardswap {

/// Walks one migration from its start to its decision: reserve, send, freeze, verify, commit.
///
/// The walk is one coroutine that gives events to the migration's SourceSide; SourceExecutor
/// carries out the effects, and MigrationEnd does the rest, however the walk ended. Messages of
/// runtimes and targets are noted meanwhile, and the coroutine acts on them. The committed content
/// is that of one rank: MigrationFactory accepts no job of several. Shared by Migrations and by
/// the Pin of each coroutine, so that the migration is not forgotten while they work on it. One
/// thread.
class MigrationTask final : public MigrationControl,
                            public Pinnable,
                            public std::enable_shared_from_this<MigrationTask> {
 public:
  /// All references must outlive it; `m` is of `list`.
  MigrationTask(const HandoverContext& context, MigrationList& list, TargetClient& targets,
                PredictionBook& book, Migration& m);

  [[nodiscard]] Migration& migration() { return migration_; }
  [[nodiscard]] SourceExecutor& executor() { return executor_; }

  /// Starts the walk; returns at once.
  void start();
  /// Goes on with a migration that a former agent left: gives it up if it was not committed,
  /// finishes it otherwise. Throws Error{io, corrupt} if the disk refuses a required record.
  void take_up();
  /// Tells a runtime again how the migration ended: it has attached and still takes part in it.
  void on_attached();
  void on_message(Instance& source, const channel::Message& message);
  void on_late_steps(const Instance& source, const channel::LateSteps& report) {
    lost_time_.on_late_steps(source, report);
  }
  /// Notes that a process of the migration has ended, maybe long after the migration.
  void on_exit(const Instance& source) { lost_time_.on_exit(source); }
  /// CriuDeparture::mark_job_lost() of the transfer of `source`.
  void mark_job_lost(const Instance& source, const channel::Failed& said);

  // MigrationControl
  void apply(const handover::Message& status) override { executor_.apply(status); }
  void poll() override { executor_.poll(); }
  void fail(Error error) override;
  void check(Deadline until) const override;
  [[nodiscard]] Deadline deadline() const override { return deadline_; }
  asio::awaitable<void> wait_at_failpoint(std::string_view name) override;
  void spawn(std::string name, asio::awaitable<void> work) override;

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> sync_and_freeze();
  asio::awaitable<void> park();
  asio::awaitable<void> watch_targets();
  asio::awaitable<void> enter(handover::SourceEvent event);
  /// Waits until `condition` is true. False: `until` came first. Throws what check() throws.
  asio::awaitable<bool> wait_for(std::function<bool()> condition, Deadline until);
  /// Waits until `is` is true for each transfer. Throws what check() throws.
  asio::awaitable<void> wait_for_each(bool (*is)(const Transfer&));

  const MigrationContext scope_;
  Migration& migration_;
  PredictionBook& book_;
  Deadline deadline_;
  TargetCouriers targets_;
  std::list<CriuDeparture> departures_;  // one a transfer
  SourceExecutor executor_;
  LostTimeCollector lost_time_;
  MigrationEnd end_;
};

}  // namespace cardswap
