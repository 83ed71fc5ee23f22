#include "migrator/engine/figures.h"

#include <fmt/format.h>

#include <utility>

namespace cardswap {
namespace {

constexpr std::chrono::milliseconds kReportEvery{100};

}  // namespace

Figures::Figures(const SourceOptions& options, SourceProgram& program, const SourceEvents& events,
                 std::function<LinkFigures()> link)
    : options_(options), program_(program), events_(events), link_(std::move(link)) {}

void Figures::report(bool always) {
  const auto now = Clock::now();
  if (!always && now < report_due_) return;
  report_due_ = now + kReportEvery;
  stats_.median_step_ms = program_.median_step_ms();
  if (events_.progress) events_.progress(stats_);
}

void Figures::tell(std::string note) {
  strategy_note_ = std::move(note);
  stats_.note = strategy_note_;
  if (put_off_note_.empty()) return;
  stats_.note +=
      fmt::format("{}freeze put off {} time{}, the latest {}", strategy_note_.empty() ? "" : "; ",
                  stats_.freezes_put_off, stats_.freezes_put_off == 1 ? "" : "s", put_off_note_);
}

void Figures::note_freeze_put_off(const std::string& why) {
  converged_ = false;
  ++stats_.freezes_put_off;
  put_off_note_ = why;
  tell(strategy_note_);
  report(true);
}

Measurements Figures::measurements(std::uint64_t dirty_bytes, double replay_ms) const {
  const auto link = link_();
  Measurements measured;
  measured.state_bytes = stats_.total;
  measured.dirty_bytes = dirty_bytes;
  measured.link_rate = link.rate * link.ratio;
  measured.digest_rate = digest_rate_.bytes_per_s();
  measured.replay_ms = replay_ms;
  measured.round_trip_ms = link.round_trip_ms;
  measured.step_ms = stats_.median_step_ms;
  measured.handover_ms = options_.handover_ms;
  return measured;
}

void Figures::expect_downtime(std::uint64_t dirty_bytes, double replay_ms) {
  expected_bytes_ = dirty_bytes;
  stats_.expected_downtime_ms = expected_downtime_ms(measurements(dirty_bytes, replay_ms));
}

void Figures::report_converged() {
  if (std::exchange(converged_, true)) return;
  offered_bytes_ = expected_bytes_;
  report(true);
  if (events_.converged) events_.converged(stats_.expected_downtime_ms);
}

}  // namespace cardswap
