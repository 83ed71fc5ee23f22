#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "migrator/engine/program.h"
#include "migrator/engine/source/sending/sync_figures.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {

/// Collects the statistics of a migration from its parts, and reports them. The engine's thread.
class StatsReporter {
 public:
  using Clock = std::chrono::steady_clock;

  /// All outlive this. `link` is called at each stats().
  StatsReporter(SourceProgram& program, const SourceCallbacks& callbacks,
                std::function<LinkStats()> link);

  /// The statistics as of now.
  [[nodiscard]] MigrationStats stats() const;
  /// Calls SourceCallbacks::progress. Unless `always`, does nothing within 100 ms of the last call.
  void report(bool always);

  // ---- figures from the parts
  void enter(MigrationPhase phase) { stats_.phase = phase; }
  void use(Strategy strategy) { stats_.strategy = to_string(strategy); }
  /// Notes that the target is connected.
  void note_connected(double setup_ms, GpuPath gpu_path);
  void note_state(std::uint64_t total_bytes) { stats_.total = total_bytes; }
  [[nodiscard]] std::uint64_t state_bytes() const { return stats_.total; }
  /// Notes how many bytes of the current round or base copy are still to be sent.
  void note_remaining(std::uint64_t bytes) { stats_.remaining = bytes; }
  void note_round() { ++stats_.rounds; }
  [[nodiscard]] std::uint32_t rounds() const { return stats_.rounds; }
  /// Notes how many bytes a second become dirty.
  void note_dirty_rate(double bytes_per_s);
  void note_throttle(std::uint32_t pct) { stats_.throttle_pct = pct; }
  void note_replay(const ReplayStats& replay) { replay_ = replay; }
  void note_freeze(const FreezeTimes& freeze) { freeze_ = freeze; }
  /// Notes the bytes of the values, which are not sent as a payload; `stands`: in the downtime.
  void note_values(std::uint64_t bytes, bool stands = true) {
    values_bytes_ += bytes;
    if (stands) values_in_downtime_ += bytes;
  }
  /// Notes how many bytes were copied in the freeze, to be sent after it.
  void note_copied(std::uint64_t bytes) { stats_.copied_bytes = bytes; }
  /// Notes how long the program was parked before the step that both sides rehearse.
  void note_rehearsal_parked(double parked_ms) { rehearsal_parked_ms_ = parked_ms; }
  /// Notes how the rehearsal ended, and reports at once.
  void note_rehearsal(RehearsalOutcome outcome, std::string remark);
  /// Notes that the target has replayed the whole log.
  void note_all_replayed() { replay_.log_lag_bytes = 0; }

  // ---- for people
  /// Sets the remark of the strategy, in place of the previous one.
  void set_remark(std::string remark);
  /// Counts a freeze that was put off, notes the reason, and reports at once.
  void note_freeze_put_off(const std::string& why);

  // ---- what DowntimeForecast expects
  void note_expected_downtime(double downtime_ms) { stats_.expected_downtime_ms = downtime_ms; }
  /// Notes the longest delay of one step and the sum of all delays.
  void note_expected_lateness(double stall_ms, double lost_ms);

 private:
  SourceProgram& program_;
  const SourceCallbacks& callbacks_;
  const std::function<LinkStats()> link_;
  MigrationStats stats_;  // the figures that no other member has
  ReplayStats replay_;
  FreezeTimes freeze_;
  std::uint64_t values_bytes_ = 0;
  std::uint64_t values_in_downtime_ = 0;
  double rehearsal_parked_ms_ = 0;
  Clock::time_point report_due_{};
  std::string strategy_remark_;
  std::string put_off_remark_;
};

}  // namespace cardswap
