#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/base/histogram.h"
#include "agent/gang/gang_record.h"
#include "agent/handover/source/migration.h"

namespace cardswap {

/// Sums over the migrations away from this host, for counters. Snapshots and rehearsals count as
/// migrations, under their own outcomes. A value: a migration is added here before the agent
/// forgets it, so that no counter falls. /metrics adds the remembered ones to a copy.
class FinishedMigrations {
 public:
  /// Durations of the migrations of one strategy, in seconds. `downtime` and `total` are of those
  /// that moved their job.
  struct Times {
    Times();
    Histogram downtime;
    /// The stalls by outcome, because a migration that was given up has made steps late, too.
    std::map<std::string, Histogram> stall;
    std::map<std::string, Histogram> lost;
    Histogram total;
  };

  FinishedMigrations();
  /// Adds the bytes that a migration has sent so far, and its outcome and durations if it has
  /// ended. Add each one only once.
  void add(const Migration& migration);
  /// Adds the move of a rank of a job of many; its times are those of the whole job.
  void add(const gang::GangRecord& migration);

  std::map<std::pair<std::string, std::string>, double> outcomes;  ///< by outcome and strategy
  std::map<std::string, double> errors;                            ///< by code
  std::map<std::string, Times> times;                              ///< by strategy
  Histogram predicted;     ///< predicted divided by measured time: hold and downtime
  double transferred = 0;  ///< bytes, also of migrations that run

 private:
  /// What is counted of a migration that has ended.
  struct Ended {
    std::string outcome;
    std::string strategy;
    std::optional<Code> error = {};
    /// Only when the figures are final, because a histogram cannot take a value back.
    std::optional<LostTimeSummary> lost = {};
    double downtime_ms = 0;
    double total_ms = 0;
  };
  void add(const Ended& ended);
};

/// The strategy that the migration uses; before it has chosen, the one that was asked for.
[[nodiscard]] std::string strategy_of(const Migration& migration);

}  // namespace cardswap
