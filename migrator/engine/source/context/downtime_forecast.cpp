#include "migrator/engine/source/context/downtime_forecast.h"

#include <utility>

#include "migrator/plan/planner.h"

namespace cardswap {

DowntimeForecast::DowntimeForecast(const SourceOptions& options, SourceProgram& program,
                                   const SourceCallbacks& callbacks, StatsReporter& reporter,
                                   std::function<LinkStats()> link,
                                   std::function<double()> digest_rate)
    : options_(options),
      program_(program),
      callbacks_(callbacks),
      reporter_(reporter),
      link_(std::move(link)),
      digest_rate_(std::move(digest_rate)) {}

Measurements DowntimeForecast::measurements(std::uint64_t dirty_bytes, double replay_ms) const {
  const auto link = link_();
  Measurements measured;
  measured.state_bytes = reporter_.state_bytes();
  measured.dirty_bytes = dirty_bytes;
  measured.link_rate = link.rate * link.ratio;
  measured.digest_rate = digest_rate_();
  measured.replay_ms = replay_ms;
  measured.round_trip_ms = link.round_trip_ms;
  measured.step_ms = program_.median_step_ms();
  measured.handover_ms = options_.handover_ms;
  measured.rehearses = rehearses_;
  return measured;
}

void DowntimeForecast::predict_downtime(std::uint64_t dirty_bytes, double replay_ms) {
  expected_bytes_ = dirty_bytes;
  const auto parked = expected_parked_times(measurements(dirty_bytes, replay_ms));
  expected_downtime_ms_ = parked.all();
  expected_parked_ms_ = parked.longest();
  reporter_.note_expected_downtime(expected_downtime_ms_);
  predict_lateness(parked.longest(), parked.all());
}

void DowntimeForecast::predict_lateness(double stall_ms, double lost_ms) {
  if (converged_) return;  // what waits from here on is the freeze itself
  reporter_.note_expected_lateness(stall_ms, lost_ms);
}

void DowntimeForecast::report_converged() {
  if (std::exchange(converged_, true)) return;
  offered_bytes_ = expected_bytes_;
  reporter_.report(true);
  if (callbacks_.converged) callbacks_.converged(expected_downtime_ms_);
}

}  // namespace cardswap
