// What a Sender measures, and what it predicts from that.

#include <fmt/format.h>

#include <algorithm>

#include "migrator/engine/sender.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kProgressEvery{100};
constexpr std::uint64_t kProbeFirst = 2U << 20U;
constexpr milliseconds kProbeEnough{40};

}  // namespace

void Sender::report_progress(bool always) {
  const auto now = Clock::now();
  if (!always && now < progress_due_) return;
  progress_due_ = now + kProgressEvery;
  stats_.median_step_ms = program_.median_step_ms();
  if (events_.progress) events_.progress(stats_);
}

double Sender::link_rate() const { return bare_link_rate() * compressor_.ratio(); }

std::uint8_t Sender::element_of(RegionId region) const {
  return element_bytes(state_view_.layout.regions()[static_cast<std::size_t>(region)].dtype);
}

void Sender::note_card_path() {
  const auto is_gpu = [](const auto& device) { return device && !device->is_host(); };
  if (std::ranges::none_of(state_view_.devices, is_gpu)) return;
  stats_.card_path = link_->direct_bytes_min(MemoryKind::cuda) ? "direct" : "staged";
}

double Sender::bare_link_rate() const {
  const auto capped = static_cast<double>(cap_.bytes_per_s());
  const auto measured = rate_.bytes_per_s();
  if (capped == 0) return measured;
  return measured == 0 ? capped : std::min(capped, measured);
}

Measurements Sender::measurements(std::uint64_t dirty_bytes, double replay_ms) const {
  Measurements measured;
  measured.state_bytes = state_view_.layout.total_bytes();
  measured.dirty_bytes = dirty_bytes;
  measured.link_rate = link_rate();
  measured.digest_rate = digest_rate_.bytes_per_s();
  measured.replay_ms = replay_ms;
  measured.round_trip_ms = static_cast<double>(best_round_trip_ns_.value_or(0)) / 1e6;
  measured.step_ms = stats_.median_step_ms;
  measured.handover_ms = options_.handover_ms;
  return measured;
}

void Sender::expect_downtime(std::uint64_t dirty_bytes, double replay_ms) {
  expected_bytes_ = dirty_bytes;
  stats_.expected_downtime_ms = expected_downtime_ms(measurements(dirty_bytes, replay_ms));
}

void Sender::probe_link() {
  stats_.phase = "probe";
  stats_.median_step_ms = program_.median_step_ms();
  std::size_t next = 0;
  double best = 0;
  for (std::uint64_t bytes = kProbeFirst; next < chunks_.size() && !frozen_; bytes *= 4) {
    std::vector<ChunkId> some;
    for (std::uint64_t sum = 0; next < chunks_.size() && sum < bytes; ++next) {
      some.push_back(static_cast<ChunkId>(next));
      sum += chunks_[next].bytes;
    }
    const auto start = Clock::now();
    const auto sent_before = stats_.transferred;
    send_round(some, false);
    const auto took = Clock::now() - start;
    // The best: a line is never faster than it is, and training slows its sender down now and then.
    best = std::max(best, static_cast<double>(stats_.transferred - sent_before) /
                              std::chrono::duration<double>(took).count());
    if (took >= kProbeEnough) break;
  }
  rate_ = RateMeter();
  rate_.add(static_cast<std::uint64_t>(best), std::chrono::seconds(1));
  stats_.rate = static_cast<std::uint64_t>(bare_link_rate());
}

void Sender::tell(std::string note) {
  strategy_note_ = std::move(note);
  stats_.note = strategy_note_;
  if (put_off_note_.empty()) return;
  stats_.note +=
      fmt::format("{}freeze put off {} time{}, the latest {}", strategy_note_.empty() ? "" : "; ",
                  stats_.freezes_put_off, stats_.freezes_put_off == 1 ? "" : "s", put_off_note_);
}

void Sender::put_off_freeze(const std::string& why) {
  frozen_.reset();
  converged_ = false;
  ++stats_.freezes_put_off;
  put_off_note_ = why;
  tell(strategy_note_);
  report_progress(true);
  events_.put_off(why);
}

void Sender::report_converged() {
  if (std::exchange(converged_, true)) return;
  offered_bytes_ = expected_bytes_;
  report_progress(true);
  if (events_.converged) events_.converged(stats_.expected_downtime_ms);
}

}  // namespace cardswap
