#include "migrator/plan/lateness.h"

#include <algorithm>

namespace cardswap {
namespace {

constexpr double kSpreadMin = 0.01;  // of the median
constexpr double kSpreadMsMin = 0.1;

}  // namespace

Pace pace_of(std::span<float> took_ms) {
  if (took_ms.empty()) return {};
  std::ranges::sort(took_ms);
  Pace pace;
  pace.step_ms = took_ms[took_ms.size() / 2];
  const double late = took_ms[(took_ms.size() - 1) * 9 / 10];
  pace.spread_ms = std::max({late - pace.step_ms, kSpreadMin * pace.step_ms, kSpreadMsMin});
  pace.steps = static_cast<std::uint32_t>(took_ms.size());
  return pace;
}

void Lateness::add(double took_ms) {
  ++steps_;
  if (!pace_.is_known()) return;
  const auto late_ms = took_ms - pace_.step_ms;
  run_.behind_ms += late_ms - pace_.spread_ms;
  run_.late_ms += late_ms;
  run_.latest_ms = std::max(run_.latest_ms, late_ms);
  if (run_.behind_ms > worst_.behind_ms) {
    worst_ = run_;
  } else if (run_.behind_ms <= 0 || worst_.behind_ms - run_.behind_ms > limit_ms()) {
    end_run();
  }
}

void Lateness::add_parked(double took_ms) {
  ++steps_;
  if (!pace_.is_known()) return;
  end_run();
  const auto late_ms = std::max(0.0, took_ms - pace_.step_ms);
  lost_ms_ += late_ms;
  stall_ms_ = std::max(stall_ms_, late_ms);
}

double Lateness::stall_ms() const {
  return is_behind() ? std::max(stall_ms_, worst_.latest_ms) : stall_ms_;
}

double Lateness::lost_ms() const { return is_behind() ? lost_ms_ + worst_.late_ms : lost_ms_; }

void Lateness::end_run() {
  lost_ms_ = lost_ms();
  stall_ms_ = stall_ms();
  run_ = {};
  worst_ = {};
}

}  // namespace cardswap
