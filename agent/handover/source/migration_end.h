#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>
#include <optional>

#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/lost_time_collector.h"
#include "agent/handover/source/migration_scope.h"
#include "agent/handover/source/source_executor.h"

namespace cardswap {

/// Sees a migration to its end, whatever its walk came to: that the target has the job, or that the
/// source goes on and the target keeps nothing.
///
/// Tries again for as long as it takes, over a target that does not answer and a disk that is full.
/// Owned by MigrationTask; one thread.
class MigrationEnd {
 public:
  /// All of them outlive it.
  MigrationEnd(const MigrationScope& scope, SourceExecutor& executor,
               std::list<CriuDeparture>& departures, LostTimeCollector& lost_time);

  /// Goes on with what a former agent left: before the commit it is given up, after it finished.
  void resume();
  /// `failed` is why it is given up, if it was not committed.
  asio::awaitable<void> settle(std::optional<Error> failed);

 private:
  void resume_departure(CriuDeparture& departure, Instance& source);
  asio::awaitable<void> finish();
  asio::awaitable<void> await_snapshot();
  asio::awaitable<void> await_source_exit();
  asio::awaitable<void> abort(Error error);
  asio::awaitable<void> clean_up();
  void note_taken_back();
  void note_success(MigrationResult result);
  void note_failure(const std::optional<Error>& failed);
  /// Tells a target whose job was taken back, until that says that nothing steps there.
  asio::awaitable<void> notify_superseded_target();

  const Config& config_;
  TaskGroup& tasks_;
  JobTable& jobs_;
  JobProcesses& processes_;
  MigrationList& list_;
  RunningMigration& run_;
  Migration& migration_;
  SourceExecutor& executor_;
  std::list<CriuDeparture>& departures_;
  LostTimeCollector& lost_time_;
};

}  // namespace cardswap
