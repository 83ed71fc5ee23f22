#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "migrator/core/compression.h"
#include "migrator/engine/program.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {

/// The figures of the link, from PayloadSender.
struct LinkStats {
  double rate = 0;   ///< bytes a second on the wire, under the cap; 0 while unknown
  double ratio = 1;  ///< bytes of state for one byte on the wire
  double round_trip_ms = 0;
  std::uint64_t sent = 0;              ///< bytes of payloads
  std::uint64_t sent_in_downtime = 0;  ///< of these, while the program stood
  double measured_rate = 0;            ///< as `rate`, but 0 until something was measured
  std::optional<Codec> codec = {};     ///< the codec that was used last; none: none so far
};
/// The figures of a replay, from ReplaySync.
struct ReplayStats {
  std::uint64_t log_entries = 0;
  std::uint64_t log_bytes = 0;      ///< bytes of gradients sent
  std::uint64_t log_lag_bytes = 0;  ///< gradients that the target has not replayed yet
  std::uint64_t early_bytes = 0;    ///< gradients sent before their step's entry
  std::uint64_t resent_bytes = 0;   ///< of these, those that changed and were sent again
  double replay_ms = 0;             ///< time of an update at the target, the longest recent one
  double back_pressure_ms = 0;      ///< as in MigrationStats, and so are the next two
  double hold_ms = 0;
  double window_wait_ms = 0;
  std::uint64_t regions_not_replayed = 0;
  std::string not_replayed = {};
};
/// The parts of the downtime.
struct FreezeTimes {
  double scan_ms = 0;
  double send_ms = 0;
  double verify_ms = 0;
};

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
  /// Notes the bytes of the values, which are sent in the downtime but not as a payload.
  void note_values(std::uint64_t bytes) { values_bytes_ += bytes; }
  /// Notes how long the program was parked before the step that both sides rehearse.
  void note_rehearsal_pause(double paused_ms) { rehearsal_pause_ms_ = paused_ms; }
  void note_rehearsal(RehearsalOutcome outcome, std::string note);
  /// Notes that the target has replayed the whole log.
  void note_all_replayed() { replay_.log_lag_bytes = 0; }

  // ---- for people
  /// Sets the note of the strategy, in place of the previous one.
  void set_note(std::string note);
  /// Counts a freeze that was put off, and notes the reason.
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
  double rehearsal_pause_ms_ = 0;
  Clock::time_point report_due_{};
  std::string strategy_note_;
  std::string put_off_note_;
};

}  // namespace cardswap
