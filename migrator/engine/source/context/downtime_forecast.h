#pragma once

#include <cstdint>
#include <functional>

#include "migrator/engine/program.h"
#include "migrator/engine/source/context/stats_reporter.h"
#include "migrator/engine/source/sending/sync_figures.h"
#include "migrator/plan/measurements.h"

namespace cardswap {

/// Predicts the cost of a freeze now, and how late steps are until then, from a migration's
/// measurements and by the planner's rules. Also offers the freeze to the program. The engine's
/// thread.
class DowntimeForecast {
 public:
  /// All outlive this. `link` and `digest_rate` (bytes a second) are called for each prediction;
  /// `reporter` gets each prediction.
  DowntimeForecast(const SourceOptions& options, SourceProgram& program,
                   const SourceCallbacks& callbacks, StatsReporter& reporter,
                   std::function<LinkStats()> link, std::function<double()> digest_rate);

  /// Makes all later predictions include the time parked after a rehearsed step.
  void expect_rehearsal() { rehearses_ = true; }
  /// The measurements as of now. `replay_ms`: of one step's updates at the target; 0: unknown.
  [[nodiscard]] Measurements measurements(std::uint64_t dirty_bytes, double replay_ms = 0) const;
  /// Predicts the cost of a freeze now, with `dirty_bytes` to send and `replay_ms` for replaying.
  /// Assumes that nothing else delays a step.
  void predict_downtime(std::uint64_t dirty_bytes, double replay_ms = 0);
  /// Call it after predict_downtime() if steps before the freeze are late as well: the longest
  /// delay of one step, and the sum of all delays, past and predicted. Does nothing while a freeze
  /// is offered.
  void predict_lateness(double stall_ms, double lost_ms);
  [[nodiscard]] double expected_downtime_ms() const { return expected_downtime_ms_; }
  /// The longest time parked at one boundary.
  [[nodiscard]] double expected_parked_ms() const { return expected_parked_ms_; }

  /// Calls SourceCallbacks::converged; does nothing if it was called since the last put_off().
  void report_converged();
  /// Lets the next report_converged() offer a freeze again.
  void put_off() { converged_ = false; }
  /// The `dirty_bytes` of the latest predict_downtime(), and of the one when a freeze was offered.
  [[nodiscard]] std::uint64_t expected_bytes() const { return expected_bytes_; }
  [[nodiscard]] std::uint64_t offered_bytes() const { return offered_bytes_; }

 private:
  const SourceOptions& options_;
  SourceProgram& program_;
  const SourceCallbacks& callbacks_;
  StatsReporter& reporter_;
  const std::function<LinkStats()> link_;
  const std::function<double()> digest_rate_;
  bool rehearses_ = false;
  bool converged_ = false;
  double expected_downtime_ms_ = 0;
  double expected_parked_ms_ = 0;
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t offered_bytes_ = 0;
};

}  // namespace cardswap
