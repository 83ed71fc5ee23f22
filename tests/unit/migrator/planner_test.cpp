#include "migrator/core/planner.h"

#include <gmock/gmock.h>

#include <algorithm>

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

TEST(ExpectedDowntime, CountsWhatTheAgentsTake) {
  Measurements slow;
  slow.handover_ms = 40;
  Measurements fast;
  fast.handover_ms = 1;
  EXPECT_NEAR(expected_downtime_ms(slow) - expected_downtime_ms(fast), 39, 1e-9);
}

TEST(ExpectedDowntime, IsScanSendDigestAgentsRoundTripsAndReplay) {
  Measurements measured;
  measured.state_bytes = 10'000'000;
  measured.dirty_bytes = 2'000'000;
  measured.link_rate = 1e8;
  measured.digest_rate = 1e9;
  measured.replay_ms = 7;
  measured.round_trip_ms = 4;
  measured.handover_ms = 11;
  EXPECT_NEAR(expected_downtime_ms(measured), 10 + 20 + 2 + 11 + 5 * 4 + 7 + 2, 1e-9);
}

TEST(ExpectedDowntime, AssumesTenGigabitsAndOneCoreWhereNothingWasMeasured) {
  Measurements measured;
  measured.state_bytes = 8'000'000;
  measured.dirty_bytes = 1'100'000;
  EXPECT_NEAR(expected_downtime_ms(measured), 1 + 1 + 1.1 / 8 + 3 + 2, 1e-9);
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

TEST(ShouldFreeze, AfterTheLastRoundWhereverTheLimitAllowsIt) {
  EXPECT_TRUE(should_freeze({300, 200, 50, 100, true}));
  EXPECT_TRUE(should_freeze({0, 5000, 50, 100, true}));
  EXPECT_FALSE(should_freeze({300, 301, 50, 100, true}));
}

TEST(ShouldFreeze, WithoutALimitOnceRoundsStopShrinking) {
  EXPECT_FALSE(should_freeze({0, 5000, 50, 100}));
  EXPECT_TRUE(should_freeze({0, 5000, 100, 100}));
}

const Prediction& of(const std::vector<Prediction>& all, Strategy strategy) {
  return *std::find_if(all.begin(), all.end(),
                       [&](const auto& p) { return p.strategy == strategy; });
}

/// AdamW in fp32 and nothing else: a third of the state is parameters.
Measurements dense(std::uint64_t state_bytes, double link_rate, double step_ms) {
  Measurements measured;
  measured.state_bytes = state_bytes;
  measured.replayed_bytes = state_bytes;
  measured.update_bytes = state_bytes / 3;
  measured.link_rate = link_rate;
  measured.digest_rate = 1e10;
  measured.step_ms = step_ms;
  return measured;
}

TEST(Predict, SaysWhichStrategyFitsAndWhyNot) {
  for (const auto& p : predict(dense(10'000'000, 1e9, 250), 300)) {
    EXPECT_TRUE(p.fits) << to_string(p.strategy);
    EXPECT_EQ(p.reason, "");
  }
  const auto large = predict(dense(10'000'000'000, 1e9, 250), 300);
  EXPECT_FALSE(of(large, Strategy::stop_copy).fits);
  EXPECT_THAT(of(large, Strategy::stop_copy).reason, ::testing::HasSubstr("300 ms are allowed"));
}

TEST(Predict, ReplaysDowntimeIsTheGradientsNotTheState) {
  const auto all = predict(dense(3'000'000'000, 1e9, 1000), 0);
  // A scan of the state; sending and digesting what goes; the fixed part, the agents' and no round
  // trips; and the replay of one step.
  const double scan = 300;
  const double fixed = 2 + 3;
  EXPECT_NEAR(of(all, Strategy::stop_copy).downtime_ms, scan + 3000 + 300 + fixed, 1e-6);
  EXPECT_NEAR(of(all, Strategy::replay).downtime_ms, scan + 1000 + 100 + fixed + 0.3 * 1000, 1e-6);
  EXPECT_GT(of(all, Strategy::replay).total_time_ms, of(all, Strategy::stop_copy).total_time_ms);
}

TEST(Predict, InTotalCountsTheSetUpTheCopyAndTheStepsUntilTheAudit) {
  // The link sends the state in 3 s and a step's gradients in 1 s; a step takes 4 s.
  const auto all = predict(dense(3'000'000'000, 1e9, 4000), 0);
  const double stop = of(all, Strategy::stop_copy).downtime_ms;
  EXPECT_NEAR(of(all, Strategy::stop_copy).total_time_ms, 500 + stop, 1e-6);
  EXPECT_NEAR(of(all, Strategy::rounds).total_time_ms, 500 + 3000 + 3000 + stop, 1e-6);
  // Half a step's gradients take an eighth of the link while the base is copied.
  const double base = 3000 / (1 - 0.125);
  EXPECT_NEAR(of(all, Strategy::replay).total_time_ms,
              500 + base + 2 * 4000 + of(all, Strategy::replay).downtime_ms, 1e-6);
  EXPECT_EQ(of(all, Strategy::stop_copy).transferred, 3'000'000'000U);
  EXPECT_EQ(of(all, Strategy::rounds).transferred, 9'000'000'000U);
}

TEST(Predict, HasTheNumbersThatDocsArchitectureWorksOut) {
  Measurements gpt;
  gpt.state_bytes = 39'691'264;
  gpt.replayed_bytes = 39'687'168;  // all but a buffer
  gpt.update_bytes = 13'229'056;
  gpt.link_rate = 1e8;
  gpt.step_ms = 208.017;
  gpt.replay_ms = 93.51;
  const auto all = predict(gpt, 300);
  EXPECT_NEAR(of(all, Strategy::stop_copy).downtime_ms, 411.8, 0.05);
  EXPECT_NEAR(of(all, Strategy::stop_copy).total_time_ms, 912, 0.5);
  EXPECT_NEAR(of(all, Strategy::rounds).downtime_ms, 411.8, 0.05);
  EXPECT_NEAR(of(all, Strategy::rounds).total_time_ms, 1706, 0.5);
  EXPECT_NEAR(of(all, Strategy::replay).downtime_ms, 237.4, 0.05);
  EXPECT_NEAR(of(all, Strategy::replay).total_time_ms, 1771, 0.5);
  EXPECT_NEAR(static_cast<double>(of(all, Strategy::replay).transferred), 84.7e6, 0.05e6);
  EXPECT_EQ(choose(all), Strategy::replay);
}

TEST(Predict, WithoutAReplayableOptimizerSaysSo) {
  auto measured = dense(10'000'000, 1e9, 100);
  measured.update_bytes = measured.replayed_bytes = 0;
  const auto all = predict(measured, 0);
  EXPECT_FALSE(of(all, Strategy::replay).fits);
  EXPECT_THAT(of(all, Strategy::replay).reason, ::testing::HasSubstr("no optimizer step"));
}

TEST(Predict, FrozenWeightsDoNotGoInTheDowntimeOfRounds) {
  auto measured = dense(2'000'000'000, 1e8, 100);
  measured.replayed_bytes = 20'000'000;
  measured.update_bytes = 7'000'000;
  const auto all = predict(measured, 0);
  EXPECT_LT(of(all, Strategy::rounds).downtime_ms, of(all, Strategy::stop_copy).downtime_ms / 20);
}

TEST(Choose, NothingThatIsATenthSlowerThanAStopCopyThatIsAllowed) {
  for (const double link : {1e8, 1e9, 1e10}) {
    for (const std::uint64_t state : {10'000'000U, 400'000'000U, 4'000'000'000U}) {
      const auto all = predict(dense(state, link, 250), 0);
      EXPECT_LE(of(all, choose(all)).total_time_ms,
                1.1 * of(all, Strategy::stop_copy).total_time_ms);
    }
  }
}

TEST(Choose, TheFastestOfThoseWithinTheLimit) {
  const auto all = predict(dense(400'000'000, 1.1e9, 250), 300);
  ASSERT_FALSE(of(all, Strategy::stop_copy).fits);
  EXPECT_EQ(choose(all), Strategy::replay);
}

TEST(Choose, TheShortestDowntimeWhereNoneIsWithinTheLimit) {
  EXPECT_EQ(choose(predict(dense(4'000'000'000, 1e8, 250), 300)), Strategy::replay);
}

TEST(Choose, RoundsWhereNothingCanBeReplayed) {
  auto measured = dense(4'000'000'000, 1e8, 250);
  measured.update_bytes = measured.replayed_bytes = 0;
  EXPECT_EQ(choose(predict(measured, 300)), Strategy::rounds);
}

}  // namespace
}  // namespace cardswap
