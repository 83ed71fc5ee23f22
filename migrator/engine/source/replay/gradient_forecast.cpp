#include "migrator/engine/source/replay/gradient_forecast.h"

#include <algorithm>
#include <utility>

namespace cardswap {
namespace {

/// A large parameter that rarely has a gradient must not count for ever; but one skipped step does
/// not mean that the next one is small.
constexpr double kStepDecay = 0.98;
/// Once gradients are sent early, the rest of a step falls within a few steps.
constexpr double kRestDecay = 0.75;

std::uint64_t decayed(double decay, std::uint64_t bytes) {
  return static_cast<std::uint64_t>(decay * static_cast<double>(bytes));
}

}  // namespace

void GradientForecast::note(std::uint64_t step, std::uint64_t bytes, std::uint64_t ahead) {
  latest_bytes_ = step == latest_step_ ? latest_bytes_ + bytes : bytes;
  latest_step_ = step;
  most_bytes_ = std::max(most_bytes_, latest_bytes_);
  usual_bytes_ = std::max(latest_bytes_, decayed(kStepDecay, usual_bytes_));
  if (bytes != 0) note_rest(step, bytes - ahead, ahead != 0 ? kRestDecay : kStepDecay);
}

void GradientForecast::note_rest(std::uint64_t step, std::uint64_t left, double decay) {
  const bool same = std::exchange(rest_step_, step) == step;
  latest_rest_bytes_ = same ? latest_rest_bytes_ + left : left;
  usual_rest_bytes_ = std::max(latest_rest_bytes_, decayed(decay, usual_rest_bytes_));
}

void GradientForecast::note_sent(std::uint64_t step, double took_ms) {
  if (std::exchange(sent_step_, step) == step) {
    latest_sent_ms_ += took_ms;
    return;
  }
  former_sent_ms_ = usual_sent_ms();
  latest_sent_ms_ = took_ms;
}

double GradientForecast::usual_sent_ms() const {
  return former_sent_ms_ == 0 ? latest_sent_ms_ : (former_sent_ms_ + latest_sent_ms_) / 2;
}

}  // namespace cardswap
