#include "agent/snapshots/interval_plan.h"

#include <gtest/gtest.h>

namespace cardswap::snapshots {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr milliseconds kDay = hours(24);

/// The plan after snapshots of these costs, each of which took `stored` to be stored.
AutoInterval after(std::initializer_list<double> costs_ms, milliseconds mtbf = kDay,
                   milliseconds stored = milliseconds(10)) {
  AutoInterval plan;
  for (const auto cost : costs_ms) plan = planned(with_snapshot(plan, {cost, stored}), mtbf);
  return plan;
}

TEST(IntervalPlan, IsWhereSnapshotsAndFailuresTogetherCostTheLeast) {
  const auto plan = after({10});
  EXPECT_EQ(plan.every_ms, 41'569) << "sqrt(2 * 10 ms * 24 h)";
  EXPECT_EQ(plan.reason, IntervalReason::cost);
  EXPECT_EQ(plan.mtbf_ms, kDay.count());
  EXPECT_EQ(after({10}, hours(6)).every_ms, 20'785) << "failures four times as often: half of it";
  EXPECT_EQ(after({40}).every_ms, 83'138) << "four times as dear: twice as long";
}

TEST(IntervalPlan, WaitsTenMinutesWhereTheCostIsNotKnown) {
  auto plan = planned({}, kDay);
  EXPECT_EQ(plan.every_ms, kIntervalUnmeasured.count());
  EXPECT_EQ(plan.reason, IntervalReason::unknown_cost);
  plan = planned(with_snapshot(plan, {std::nullopt, milliseconds(10)}), kDay);
  EXPECT_EQ(plan.reason, IntervalReason::unknown_cost);
  plan = planned(with_snapshot(plan, {2000, milliseconds(10)}), kDay);
  EXPECT_EQ(plan.every_ms, 587'878) << "the first cost that is known counts, however near it is";
  EXPECT_EQ(plan.reason, IntervalReason::cost);
}

TEST(IntervalPlan, IsAtLeastWhatASnapshotTakesToBeStored) {
  const auto plan = after({10}, kDay, std::chrono::minutes(2));
  EXPECT_EQ(plan.every_ms, 120'000);
  EXPECT_EQ(plan.reason, IntervalReason::stored_time);
  const auto slower = planned(with_snapshot(plan, {10, milliseconds(121'000)}), kDay);
  EXPECT_EQ(slower.every_ms, 121'000) << "however little more that is";
}

TEST(IntervalPlan, IsFromASecondToAnHour) {
  EXPECT_EQ(after({0}).every_ms, kIntervalMin.count());
  EXPECT_EQ(after({0}).reason, IntervalReason::shortest);
  EXPECT_EQ(after({600'000}).every_ms, kIntervalMax.count());
  EXPECT_EQ(after({600'000}).reason, IntervalReason::longest);
  EXPECT_EQ(after({10}, kDay, hours(500)).every_ms, kIntervalMax.count())
      << "a clock was set, or the store is that slow: none overlap in any case";
  EXPECT_EQ(after({10}, kDay, milliseconds(-5)).every_ms, 41'569);
}

TEST(IntervalPlan, StaysUntilItWouldChangeByAQuarter) {
  const auto before = after({10});
  auto nearly = before;
  nearly.cost_ms = 15;  // 50'912, 22 % more
  EXPECT_EQ(planned(nearly, kDay).every_ms, before.every_ms);
  auto far = before;
  far.cost_ms = 16;  // 52'581
  EXPECT_EQ(planned(far, kDay).every_ms, 52'581);
  EXPECT_EQ(planned(before, hours(23)).every_ms, 40'694) << "somebody has ordered that";
}

TEST(IntervalPlan, GoesByTheMeanOfTheLatestSnapshots) {
  const auto once_slow = after({10, 10, 10, 10, 10, 10, 10, 90});
  EXPECT_DOUBLE_EQ(once_slow.cost_ms, 20);
  auto plan = once_slow;
  for (int i = 0; i < 60; ++i) plan = with_snapshot(plan, {50, milliseconds(10)});
  EXPECT_NEAR(plan.cost_ms, 50, 0.1) << "the first ones have faded";
}

}  // namespace
}  // namespace cardswap::snapshots
