#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/base/handover_context.h"
#include "agent/handover/source/migration_list.h"
#include "agent/handover/source/prediction_book.h"
#include "agent/handover/source/running_migration.h"
#include "agent/handover/source/target_client.h"

namespace cardswap {

/// Hears what the two sides tell of the steps that a move made late, also when the migration is
/// over: the steps after it are its own too.
///
/// Owned by MigrationTask; one thread.
class LostTimeCollector {
 public:
  /// All of them outlive it.
  LostTimeCollector(const HandoverContext& context, MigrationList& list, TargetClient& targets,
                    PredictionBook& book, RunningMigration& run, Migration& m)
      : context_(context), list_(list), targets_(targets), book_(book), run_(run), m_(m) {}

  /// The source's runtime tells.
  void on_late_steps(const Instance& source, const channel::LateSteps& report);
  /// Notes that its process is gone: where the job goes on there, it takes no more steps.
  void on_exit(const Instance& source);
  [[nodiscard]] bool awaits_first_steps() const;
  /// The job is at the target for good: waits for its first steps there, and records what it hears
  /// and what that teaches of predictions.
  asio::awaitable<void> collect_first_steps();

 private:
  /// Hears them of the process that came from `instance` here.
  asio::awaitable<void> collect_first_steps_of(std::string instance);

  const HandoverContext& context_;
  MigrationList& list_;
  TargetClient& targets_;
  PredictionBook& book_;
  RunningMigration& run_;
  Migration& m_;
};

}  // namespace cardswap
