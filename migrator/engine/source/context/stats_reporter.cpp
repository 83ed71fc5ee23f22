#include "migrator/engine/source/context/stats_reporter.h"

#include <fmt/format.h>

#include <utility>

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kReportEvery{100};

}  // namespace

StatsReporter::StatsReporter(SourceProgram& program, const SourceCallbacks& callbacks,
                             std::function<LinkStats()> link)
    : program_(program), callbacks_(callbacks), link_(std::move(link)) {}

void StatsReporter::report(bool always) {
  const auto now = Clock::now();
  if (!always && now < report_due_) return;
  report_due_ = now + kReportEvery;
  if (callbacks_.progress) callbacks_.progress(stats());
}

MigrationStats StatsReporter::stats() const {
  auto all = stats_;
  all.median_step_ms = program_.median_step_ms();
  const auto link = link_();
  all.transferred = link.sent + values_bytes_;
  all.bytes_in_downtime = link.sent_in_downtime + values_in_downtime_;
  all.rate = static_cast<std::uint64_t>(link.measured_rate);
  if (link.codec) all.compression = to_string(*link.codec);
  all.compression_ratio = link.ratio;
  all.log_entries = replay_.log_entries;
  all.log_bytes = replay_.log_bytes;
  all.log_lag_bytes = replay_.log_lag_bytes;
  all.early_bytes = replay_.early_bytes;
  all.resent_bytes = replay_.resent_bytes;
  all.replay_ms = replay_.replay_ms;
  all.back_pressure_ms = replay_.back_pressure_ms;
  all.log_wait_ms = replay_.log_wait_ms + rehearsal_parked_ms_;
  all.window_wait_ms = replay_.window_wait_ms;
  all.shards_not_replayed = replay_.shards_not_replayed;
  all.not_replayed = replay_.not_replayed;
  all.freeze_scan_ms = freeze_.scan_ms;
  all.freeze_send_ms = freeze_.send_ms;
  all.freeze_verify_ms = freeze_.verify_ms;
  return all;
}

void StatsReporter::note_connected(double setup_ms, GpuPath gpu_path) {
  stats_.setup_time_ms = setup_ms;
  stats_.gpu_path = gpu_path;
}

void StatsReporter::note_dirty_rate(double bytes_per_s) {
  stats_.dirty_rate = static_cast<std::uint64_t>(bytes_per_s);
}

void StatsReporter::set_remark(std::string remark) {
  strategy_remark_ = std::move(remark);
  stats_.remark = strategy_remark_;
  if (put_off_remark_.empty()) return;
  stats_.remark +=
      fmt::format("{}freeze put off {} time{}, the latest {}", strategy_remark_.empty() ? "" : "; ",
                  stats_.freezes_put_off, stats_.freezes_put_off == 1 ? "" : "s", put_off_remark_);
}

void StatsReporter::note_rehearsal(RehearsalOutcome outcome, std::string remark) {
  stats_.rehearsal = outcome;
  stats_.rehearsal_remark = std::move(remark);
  report(true);
}

void StatsReporter::note_freeze_put_off(const std::string& why) {
  ++stats_.freezes_put_off;
  put_off_remark_ = why;
  set_remark(strategy_remark_);
  report(true);
}

void StatsReporter::note_expected_lateness(double stall_ms, double lost_ms) {
  stats_.expected_stall_ms = stall_ms;
  stats_.expected_lost_ms = lost_ms;
}

}  // namespace cardswap
