#include "runtime/step_clock.h"

#include <algorithm>
#include <vector>

namespace cardswap {
namespace {

template <class Durations>
std::vector<float> known(const Durations& durations) {
  std::vector<float> values;
  for (const auto& duration : durations) {
    if (const auto value = duration.load(std::memory_order_relaxed); value > 0) {
      values.push_back(value);
    }
  }
  return values;
}

}  // namespace

void StepClock::count(bool ordinary) {
  const auto now = Clock::now().time_since_epoch().count();
  const auto step = step_.load(std::memory_order_relaxed);
  const auto last = step_began_ns_.load(std::memory_order_relaxed);
  if (last != 0) {
    const auto took_ms = static_cast<float>(now - last) / 1e6F;
    durations_ms_[step % kDurations].store(took_ms, std::memory_order_relaxed);
    if (ordinary) note_ordinary(took_ms);
  }
  step_began_ns_.store(now, std::memory_order_relaxed);
  step_.store(step + 1, std::memory_order_seq_cst);
}

double StepClock::latest_ms() const {
  return durations_ms_[(step() + kDurations - 1) % kDurations].load(std::memory_order_relaxed);
}

double StepClock::median_ms() const {
  auto values = known(durations_ms_);
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<float> StepClock::ordinary_ms() const { return known(ordinary_ms_); }

}  // namespace cardswap
