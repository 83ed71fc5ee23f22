#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/source/migration_scope.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// Collects how late a move made the job's steps, as both sides tell it. It goes on after the
/// migration is over, because the steps after it count too.
///
/// Owned by MigrationTask; one thread.
class LostTimeCollector {
 public:
  /// All of them outlive it.
  LostTimeCollector(const MigrationScope& scope, TargetClient& targets, PredictionBook& book)
      : tasks_(scope.context.tasks),
        list_(scope.list),
        run_(scope.run),
        migration_(scope.migration),
        targets_(targets),
        book_(book) {}

  /// The source's runtime tells.
  void on_late_steps(const Instance& source, const channel::LateSteps& report);
  /// Notes that its process is gone: where the job goes on there, it takes no more steps.
  void on_exit(const Instance& source);
  [[nodiscard]] bool awaits_first_steps() const;
  /// The job is at the target for good: waits for its first steps there, and records what it hears
  /// and what that teaches of predictions.
  asio::awaitable<void> collect_first_steps();

 private:
  /// Returns whether the transfer's lost time has changed.
  template <class Report>
  bool merge(Transfer& transfer, const Report& report) {
    return list_.note(transfer,
                      [&](TransferRecord& record) { return record.lost_time.merge(report); });
  }
  void end(Transfer& transfer, const std::string& why) {
    list_.note(transfer, [&](TransferRecord& record) { record.lost_time.end(why); });
  }
  /// Hears them of the process that came from `instance` here.
  asio::awaitable<void> collect_first_steps_of(std::string instance);

  const TaskGroup& tasks_;
  MigrationList& list_;
  RunningMigration& run_;
  Migration& migration_;
  TargetClient& targets_;
  PredictionBook& book_;
};

}  // namespace cardswap
