#include "migrator/engine/source/replay/backlog_trend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace cardswap {
namespace {

/// How many boundaries a freeze is put off that could be at once, where steps leave so much. The
/// last one goes on.
std::uint64_t put_off(std::vector<std::uint64_t> left) {
  BacklogTrend rest;
  for (std::uint64_t step = 1;; ++step) {
    rest.note(step, left[std::min<std::size_t>(step, left.size()) - 1]);
    if (!rest.is_worth_a_step(step)) return step - 1;
  }
}

TEST(BacklogTrend, IsWaitedForUntilTwoStepsLeftAsMuch) {
  EXPECT_EQ(put_off({100, 100}), 2U);
  EXPECT_EQ(put_off({100, 60, 60}), 3U);
  EXPECT_EQ(put_off({100, 75, 50, 50}), 4U);
}

TEST(BacklogTrend, IsWaitedForNoLongerThanSixSteps) {
  EXPECT_EQ(put_off({100, 80, 60, 50, 40, 30, 20, 10, 5, 2, 1}), BacklogTrend::kStepsMax);
}

TEST(BacklogTrend, OutlivesOneSlowMomentOfTheLink) {
  EXPECT_EQ(put_off({100, 70, 90, 50, 50}), 5U);
}

TEST(BacklogTrend, OfAFewPerCentIsNone) { EXPECT_EQ(put_off({100, 99, 98, 97, 96}), 2U); }

TEST(BacklogTrend, ThatIsOverBeforeAFreezeCouldBePutsNothingOff) {
  BacklogTrend rest;
  for (std::uint64_t step = 1; step <= 3; ++step) rest.note(step, 100);
  EXPECT_FALSE(rest.is_worth_a_step(3));
}

TEST(BacklogTrend, CountsAnEntryOnce) {
  BacklogTrend rest;
  for (int look = 0; look < 9; ++look) rest.note(4, 100);
  EXPECT_TRUE(rest.is_worth_a_step(4));
}

/// A program whose steps append nothing gives no entry to judge by.
TEST(BacklogTrend, IsNotWaitedForPastTheStepsThatPassWithoutAnEntry) {
  BacklogTrend rest;
  rest.note(1, 100);
  EXPECT_TRUE(rest.is_worth_a_step(10));
  EXPECT_TRUE(rest.is_worth_a_step(15));
  EXPECT_FALSE(rest.is_worth_a_step(16));
}

}  // namespace
}  // namespace cardswap
