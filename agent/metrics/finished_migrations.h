#pragma once

#include <map>
#include <string>
#include <utility>

#include "agent/base/histogram.h"
#include "agent/handover/source/migration.h"

namespace cardswap {

/// Sums over migrations that have ended. A value: those that were forgotten are summed here first,
/// so that no counter falls because of it.
class FinishedMigrations {
 public:
  /// How long migrations of one strategy took.
  struct Times {
    Times();
    Histogram downtime;
    /// The stalls by outcome: a migration that was given up has made steps late too.
    std::map<std::string, Histogram> stall;
    std::map<std::string, Histogram> lost;
    Histogram total;
  };

  FinishedMigrations();
  void add(const Migration& migration);

  std::map<std::pair<std::string, std::string>, double> outcomes;  ///< by outcome and strategy
  std::map<std::string, double> errors;                            ///< by code
  std::map<std::string, Times> times;                              ///< by strategy
  Histogram predicted;  ///< downtime predicted, divided by the one measured
  double transferred = 0;
};

/// The strategy in use, or the one that was asked for.
[[nodiscard]] std::string strategy_of(const Migration& migration);

}  // namespace cardswap
