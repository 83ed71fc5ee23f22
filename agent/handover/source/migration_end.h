#pragma once

#include <boost/asio/awaitable.hpp>
#include <list>
#include <optional>

#include "agent/handover/source/criu_departure.h"
#include "agent/handover/source/lost_time_collector.h"
#include "agent/handover/source/migration_context.h"
#include "agent/handover/source/source_executor.h"

namespace cardswap {

/// Brings a migration to its end after MigrationTask's walk: the target has the job; or the source
/// goes on and the target keeps nothing; or, for a snapshot, the source goes on and the keeper has
/// published the state.
///
/// Retries without a limit while the disk is full, and after the commit while the target does not
/// answer. Before it, tells the target for 8 s that the migration is given up: a target that does
/// not hear it gives up by itself. Waits for a captured snapshot for as long as the target's agent
/// answers and its keeper writes (kKeeperSilenceMax): MigrationSpec::timeout_ms ends with the
/// capture. Owned by MigrationTask; one thread.
class MigrationEnd {
 public:
  /// All references must outlive it.
  MigrationEnd(const MigrationContext& scope, SourceExecutor& executor,
               std::list<CriuDeparture>& departures, LostTimeCollector& lost_time);

  /// Goes on with a migration that a former agent left: gives it up if it was not committed,
  /// finishes it otherwise. Throws Error{io, corrupt} if the disk refuses a required record.
  void take_up();
  /// Returns when the migration is over. `failed` is the reason if it was not committed. Throws
  /// only when the agent stops.
  asio::awaitable<void> decide_end(std::optional<Error> failed);

 private:
  void take_up_departure(CriuDeparture& departure, Instance& source);
  asio::awaitable<void> finish();
  asio::awaitable<void> await_snapshot();
  asio::awaitable<void> await_source_exit();
  asio::awaitable<void> abort(Error error);
  asio::awaitable<void> clean_up();
  void note_taken_back();
  void note_success(MigrationResult result);
  void note_failure(const std::optional<Error>& failed);
  /// Tells a target that its job was taken back, until it confirms that no process steps there.
  asio::awaitable<void> notify_superseded_target();

  const Config& config_;
  TaskGroup& tasks_;
  JobList& jobs_;
  JobProcesses& processes_;
  MigrationList& list_;
  MigrationControl& run_;
  Migration& migration_;
  SourceExecutor& executor_;
  std::list<CriuDeparture>& departures_;
  LostTimeCollector& lost_time_;
};

}  // namespace cardswap
