#pragma once

#include <cstdint>
#include <functional>

#include "migrator/engine/program.h"
#include "migrator/engine/source/stats_reporter.h"
#include "migrator/plan/measurements.h"

namespace cardswap {

/// Predicts from a migration's measurements, by the planner's rules: what a freeze would cost now,
/// and how late steps are until then. It also offers the freeze to the program. The engine's
/// thread.
class DowntimeForecast {
 public:
  /// All outlive this. `link` and `digest_rate`, bytes a second, are asked at each prediction;
  /// `reporter` is told of each.
  DowntimeForecast(const SourceOptions& options, SourceProgram& program,
                   const SourceCallbacks& callbacks, StatsReporter& reporter,
                   std::function<LinkStats()> link, std::function<double()> digest_rate);

  /// Counts the second stand of a step that is rehearsed into all predictions.
  void expect_rehearsal() { rehearses_ = true; }
  [[nodiscard]] Measurements measurements(std::uint64_t dirty_bytes, double replay_ms = 0) const;
  /// Predicts what a freeze would cost now, with `dirty_bytes` to send and `replay_ms` of
  /// replaying; and that nothing else makes a step late.
  void expect_downtime(std::uint64_t dirty_bytes, double replay_ms = 0);
  /// Predicts, after expect_downtime(), the lateness of steps before the freeze as well: the
  /// longest, and all of it, what was and what is to come.
  void expect_lateness(double stall_ms, double lost_ms);
  [[nodiscard]] double expected_downtime_ms() const { return expected_downtime_ms_; }
  /// The longest that the program would stand at one boundary of them.
  [[nodiscard]] double expected_stand_ms() const { return expected_stand_ms_; }

  /// Offers a freeze, once until it is put off.
  void report_converged();
  /// Takes the offer back: the program was told to go on, and report_converged() makes the next.
  void put_off() { converged_ = false; }
  /// The `dirty_bytes` of the latest expect_downtime(), and of the one when a freeze was offered.
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
  double expected_stand_ms_ = 0;
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t offered_bytes_ = 0;
};

}  // namespace cardswap
