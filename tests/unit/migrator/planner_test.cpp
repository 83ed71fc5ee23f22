#include "migrator/planner.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

TEST(ExpectedDowntime, GrowsWithWhatIsDirtyAtTheLinksRate) {
  Measurements measured;
  measured.state_bytes = 1'000'000'000;
  measured.link_rate = 1e8;
  measured.digest_rate = 1e10;
  const auto clean = expected_downtime_ms(measured);
  measured.dirty_bytes = 100'000'000;
  EXPECT_NEAR(expected_downtime_ms(measured) - clean, 1000 + 10, 1);
}

TEST(ShouldFreeze, NeverAboveTheLimit) {
  EXPECT_FALSE(should_freeze({300, 301, 100, 100}));
  EXPECT_FALSE(should_freeze({300, 301, 0, 0}));
}

TEST(ShouldFreeze, WaitsWhileRoundsStillShrinkTheRest) {
  EXPECT_FALSE(should_freeze({300, 200, 50, 100}));
  EXPECT_TRUE(should_freeze({300, 200, 95, 100}));
}

TEST(ShouldFreeze, AtOnceWhenWellWithinTheLimit) { EXPECT_TRUE(should_freeze({300, 50, 50, 100})); }

TEST(ShouldFreeze, WithoutALimitOnceRoundsStopShrinking) {
  EXPECT_FALSE(should_freeze({0, 5000, 50, 100}));
  EXPECT_TRUE(should_freeze({0, 5000, 100, 100}));
}

TEST(Predict, SaysWhichStrategyFits) {
  Measurements measured;
  measured.state_bytes = 10'000'000;
  measured.link_rate = 1e9;
  for (const auto& prediction : predict(measured, 300)) EXPECT_TRUE(prediction.fits);
  measured.state_bytes = 10'000'000'000;
  for (const auto& prediction : predict(measured, 300)) EXPECT_FALSE(prediction.fits);
}

}  // namespace
}  // namespace cardswap
