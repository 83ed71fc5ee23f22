#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// Collects how late a move made the job's steps, as both sides report it. It goes on after the
/// migration is over, because the steps after it count too.
///
/// Owned by MigrationTask; one thread.
class LostTimeCollector {
 public:
  /// All references must outlive it.
  LostTimeCollector(const MigrationContext& scope, TargetClient& targets, PredictionBook& book)
      : tasks_(scope.context.tasks),
        list_(scope.list),
        run_(scope.run),
        migration_(scope.migration),
        targets_(targets),
        book_(book) {}

  /// Takes a report of the source's runtime.
  void on_late_steps(const Instance& source, const channel::LateSteps& report);
  /// Notes that the source's process is gone: unless the job was committed to the target, no more
  /// steps follow.
  void on_exit(const Instance& source);
  /// Whether a transfer has reports of its source and still misses steps of its target.
  [[nodiscard]] bool awaits_first_steps() const;
  /// Asks the target, where the job is for good, for its first steps there, one rank after the
  /// other. Records them, and teaches the PredictionBook. Gives a rank up after the time of 50
  /// steps, but not within a minute and not later than an hour.
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
  /// Asks for the first steps of the process that came from `instance` here.
  asio::awaitable<void> collect_first_steps_of(std::string instance);

  const TaskGroup& tasks_;
  MigrationList& list_;
  MigrationControl& run_;
  Migration& migration_;
  TargetClient& targets_;
  PredictionBook& book_;
};

}  // namespace cardswap
