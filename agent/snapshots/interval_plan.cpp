#include "agent/snapshots/interval_plan.h"

#include <algorithm>
#include <cmath>

namespace cardswap::snapshots {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kMeasuredMax = 8;  // of a job's latest snapshots; older ones fade
constexpr double kChangeMin = 0.25;

struct Interval {
  double ms;
  IntervalReason reason;
};

Interval wanted(const AutoInterval& known, milliseconds mtbf) {
  if (known.measured == 0) {
    return {static_cast<double>(kIntervalUnmeasured.count()), IntervalReason::unknown_cost};
  }
  const auto cost_ms = std::max(known.cost_ms, 0.0);
  return {std::sqrt(2 * cost_ms * static_cast<double>(mtbf.count())), IntervalReason::cost};
}

Interval bounded(Interval interval, double stored_ms) {
  if (interval.ms < stored_ms) interval = {stored_ms, IntervalReason::stored_time};
  constexpr auto kMin = static_cast<double>(kIntervalMin.count());
  constexpr auto kMax = static_cast<double>(kIntervalMax.count());
  if (interval.ms < kMin) return {kMin, IntervalReason::shortest};
  if (interval.ms > kMax) return {kMax, IntervalReason::longest};
  return interval;
}

/// Whether the interval in force is near enough, so that it does not change with each snapshot.
bool is_kept(const AutoInterval& before, const Interval& next, milliseconds mtbf) {
  const auto in_force = static_cast<double>(before.every_ms);
  const bool was_measured = before.reason != IntervalReason::unknown_cost;
  const bool is_measured = next.reason != IntervalReason::unknown_cost;
  if (before.every_ms == 0 || before.mtbf_ms != mtbf.count() || was_measured != is_measured) {
    return false;
  }
  const bool is_allowed =
      bounded({in_force, before.reason}, static_cast<double>(before.stored_ms)).ms == in_force;
  return is_allowed && std::abs(next.ms - in_force) < kChangeMin * in_force;
}

}  // namespace

AutoInterval with_snapshot(AutoInterval before, const SnapshotCost& snapshot) {
  before.stored_ms = std::max<std::int64_t>(snapshot.stored.count(), 0);
  if (!snapshot.lost_ms) return before;
  before.measured = std::min(before.measured + 1, kMeasuredMax);
  before.cost_ms += (*snapshot.lost_ms - before.cost_ms) / before.measured;
  return before;
}

AutoInterval planned(AutoInterval before, milliseconds mtbf) {
  const auto next = bounded(wanted(before, mtbf), static_cast<double>(before.stored_ms));
  if (is_kept(before, next, mtbf)) return before;
  before.every_ms = std::llround(next.ms);
  before.reason = next.reason;
  before.mtbf_ms = mtbf.count();
  return before;
}

}  // namespace cardswap::snapshots
