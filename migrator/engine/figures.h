#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "migrator/core/planner.h"
#include "migrator/core/rate.h"
#include "migrator/core/stats.h"
#include "migrator/engine/program.h"

namespace cardswap {

struct LinkFigures {
  double rate = 0;   ///< bytes on the wire a second; 0 while unknown
  double ratio = 1;  ///< bytes of state for each of them
  double round_trip_ms = 0;
};

/// What a migration knows of itself: the statistics that it reports, and what the planner makes of
/// them. The engine's thread.
class Figures {
 public:
  using Clock = std::chrono::steady_clock;

  /// All outlive this. `link` is asked when something is to be predicted.
  Figures(const SourceOptions& options, SourceProgram& program, const SourceEvents& events,
          std::function<LinkFigures()> link);

  /// Whoever measures something writes it here.
  [[nodiscard]] MigrationStats& stats() { return stats_; }
  /// A tenth of a second after the last time, or `always`.
  void report(bool always);

  // ---- for people
  /// What a strategy has to say, in place of what it said before.
  void tell(std::string note);
  /// The program was told to go on: report_converged() offers the next freeze.
  void note_freeze_put_off(const std::string& why);

  // ---- the planner's
  void note_digested(std::uint64_t bytes, Clock::duration took) { digest_rate_.add(bytes, took); }
  [[nodiscard]] Measurements measurements(std::uint64_t dirty_bytes, double replay_ms = 0) const;
  /// What a freeze would cost now, with `dirty_bytes` to send and `replay_ms` of replaying.
  void expect_downtime(std::uint64_t dirty_bytes, double replay_ms = 0);
  /// Offers a freeze, once.
  void report_converged();
  /// `dirty_bytes` of the latest expect_downtime(), and of the one when a freeze was offered.
  [[nodiscard]] std::uint64_t expected_bytes() const { return expected_bytes_; }
  [[nodiscard]] std::uint64_t offered_bytes() const { return offered_bytes_; }

 private:
  const SourceOptions& options_;
  SourceProgram& program_;
  const SourceEvents& events_;
  const std::function<LinkFigures()> link_;
  MigrationStats stats_;
  RateMeter digest_rate_;
  Clock::time_point report_due_{};
  std::string strategy_note_;
  std::string put_off_note_;
  bool converged_ = false;
  std::uint64_t expected_bytes_ = 0;
  std::uint64_t offered_bytes_ = 0;
};

}  // namespace cardswap
