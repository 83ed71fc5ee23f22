#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "agent/handover/base/pin.h"
#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/lost_time_collector.h"
#include "agent/handover/source/migration_end.h"
#include "agent/handover/source/migration_scope.h"
#include "agent/handover/source/source_executor.h"
#include "agent/handover/source/target_links.h"

namespace cardswap {

/// Walks one migration from its start to its decision: reserve, send, freeze, verify, commit.
///
/// What is committed is the content of one rank: MigrationIntake takes no job of several.
/// The walk is one coroutine that tells the migration's side what happened; SourceExecutor carries
/// out what follows, and MigrationEnd sees to the rest, however the walk ended. What runtimes and
/// targets say is noted meanwhile, and acted on by the coroutine. Owned by Migrations, and by each
/// coroutine Pin on it, so that the migration is not forgotten under it. One thread.
class MigrationTask final : public RunningMigration,
                            public Pinnable,
                            public std::enable_shared_from_this<MigrationTask> {
 public:
  /// All of them outlive it; `m` is of `list`.
  MigrationTask(const HandoverContext& context, MigrationList& list, TargetClient& targets,
                PredictionBook& book, Migration& m);

  [[nodiscard]] Migration& migration() { return migration_; }
  [[nodiscard]] SourceExecutor& executor() { return executor_; }

  /// Begins the walk.
  void start();
  /// Goes on with what a former agent left: before the commit it is given up, after it finished.
  void resume();
  /// A runtime that still holds on to it came (back): it hears again what became of it.
  void on_attached();
  void on_message(Instance& source, const channel::Message& message);
  void on_late_steps(const Instance& source, const channel::LateSteps& report) {
    lost_time_.on_late_steps(source, report);
  }
  /// A process of it has ended, maybe long after it.
  void on_exit(const Instance& source) { lost_time_.on_exit(source); }
  /// The only good copy of the job's memory is gone with a move that was given up.
  void mark_job_lost(const Instance& source, const channel::Failed& said);

  // RunningMigration, for its parts and for Migrations
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
  asio::awaitable<void> enter(handover::Event event);
  /// Waits for a condition. False at `until`. Throws what check() throws.
  asio::awaitable<bool> wait_for(std::function<bool()> condition, Deadline until);
  /// Waits until `is` holds of each transfer.
  asio::awaitable<void> wait_for_each(bool (*is)(const Transfer&));

  const MigrationScope scope_;
  Migration& migration_;
  PredictionBook& book_;
  Deadline deadline_;
  TargetLinks targets_;
  std::list<CriuDeparture> departures_;  // one a transfer
  SourceExecutor executor_;
  LostTimeCollector lost_time_;
  MigrationEnd end_;
};

}  // namespace cardswap
