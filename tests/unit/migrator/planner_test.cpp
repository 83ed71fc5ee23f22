#include "migrator/plan/planner.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

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

TEST(ExpectedDowntime, IsScanSendDigestAgentsRoundTripsAndWhatAReplayTakesBesideTheStep) {
  Measurements measured;
  measured.state_bytes = 10'000'000;
  measured.dirty_bytes = 2'000'000;
  measured.link_rate = 1e8;
  measured.digest_rate = 1e9;
  measured.replay_ms = 7;
  measured.round_trip_ms = 4;
  measured.handover_ms = 11;
  EXPECT_NEAR(expected_downtime_ms(measured), 10 + 20 + 2 + 11 + 5 * 4 + 7 + 2, 1e-9);
  measured.step_ms = 10;  // its own optimizer takes 3 of them, at the same time
  EXPECT_NEAR(expected_downtime_ms(measured), 10 + 20 + 2 + 11 + 5 * 4 + 4 + 2, 1e-9);
}

TEST(ExpectedDowntime, AssumesTenGigabitsAndOneCoreWhereNothingWasMeasured) {
  Measurements measured;
  measured.state_bytes = 8'000'000;
  measured.dirty_bytes = 1'100'000;
  EXPECT_NEAR(expected_downtime_ms(measured), 1 + 1 + 1.1 / 8 + 3 + 2, 1e-9);
}

TEST(ExpectedStands, AreOneWithoutARehearsal) {
  Measurements measured;
  measured.state_bytes = 10'000'000;
  measured.dirty_bytes = 2'000'000;
  const auto stands = expected_stands(measured);
  EXPECT_EQ(stands.first, expected_downtime_ms(measured));
  EXPECT_EQ(stands.second, 0);
}

TEST(ExpectedStands, AreTwoWithOneAndTheAgentsHearOfTheSecondAlone) {
  Measurements measured;
  measured.state_bytes = 10'000'000;
  measured.dirty_bytes = 2'000'000;
  measured.link_rate = 1e8;
  measured.digest_rate = 1e9;
  measured.replay_ms = 7;
  measured.round_trip_ms = 4;
  measured.handover_ms = 11;
  measured.step_ms = 10;
  measured.rehearses = true;
  const auto stands = expected_stands(measured);
  EXPECT_NEAR(stands.first, 10 + 20 + 2 + 5 * 4 + 4 + 2, 1e-9);
  EXPECT_NEAR(stands.second, 10 + 11 + 5 * 4 + 2 + 0.1 * 10, 1e-9)
      << "nothing is sent, and the standby's step is a little later";
  EXPECT_EQ(stands.longest(), stands.first);
  EXPECT_EQ(stands.all(), stands.first + stands.second);
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
  const auto all = predict(dense(3'000'000'000, 1e9, 4000), 0);
  // A scan of the state; sending and digesting what goes; the fixed part, the agents' and no round
  // trips. The last replay runs beside the last step.
  const double scan = 300;
  const double fixed = 2 + 3;
  EXPECT_NEAR(of(all, Strategy::stop_copy).downtime_ms, scan + 3000 + 300 + fixed, 1e-6);
  EXPECT_NEAR(of(all, Strategy::replay).downtime_ms, scan + 1000 + 100 + fixed, 1e-6);
  EXPECT_GT(of(all, Strategy::replay).total_time_ms, of(all, Strategy::stop_copy).total_time_ms);
}

TEST(Predict, CountsBothStandsOfAStepThatIsRehearsed) {
  auto measured = dense(30'000'000, 1e9, 400);
  measured.digest_rate = 1e8;  // a scan takes 300 ms
  for (const auto& once : predict(measured, 0)) {
    auto rehearsed = measured;
    rehearsed.rehearses = true;
    const auto all = predict(rehearsed, 0);
    const auto& twice = of(all, once.strategy);
    EXPECT_NEAR(twice.downtime_ms, once.downtime_ms + 300 + 2 + 40, 1e-6);
    EXPECT_NEAR(twice.lost_ms, once.lost_ms + 300 + 2 + 40, 1e-6);
    EXPECT_NEAR(twice.stall_ms, once.stall_ms - 3, 1e-6) << "the agents' part is in the second";
  }
}

TEST(Predict, KeepsTheSecondStandWithinTheLimitToo) {
  auto measured = dense(3'000'000, 1e9, 100);
  measured.handover_ms = 90;
  measured.step_ms = 2000;  // the standby's is expected 200 ms later
  EXPECT_TRUE(of(predict(measured, 250), Strategy::stop_copy).fits);
  measured.rehearses = true;
  const auto all = predict(measured, 250);
  EXPECT_FALSE(of(all, Strategy::stop_copy).fits);
  EXPECT_FALSE(of(all, Strategy::replay).fits);
}

TEST(Predict, InTotalCountsTheSetUpTheCopyAndTheStepsUntilTheAudit) {
  // The link sends the state in 3 s and a step's gradients in 1 s; a step takes 4 s.
  const auto all = predict(dense(3'000'000'000, 1e9, 4000), 0);
  const double stop = of(all, Strategy::stop_copy).downtime_ms;
  EXPECT_NEAR(of(all, Strategy::stop_copy).total_time_ms, 500 + stop, 1e-6);
  EXPECT_NEAR(of(all, Strategy::rounds).total_time_ms, 500 + 3000 + 3000 + stop, 1e-6);
  // From nothing to a quarter of the link is the log's while the base is copied.
  const double base = 3000 / 0.25 * std::log(1 / (1 - 0.25));
  EXPECT_NEAR(of(all, Strategy::replay).total_time_ms,
              500 + base + 2 * 4000 + of(all, Strategy::replay).downtime_ms, 1);
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
  EXPECT_NEAR(of(all, Strategy::stop_copy).lost_ms, 411.8, 0.05);
  EXPECT_NEAR(of(all, Strategy::stop_copy).total_time_ms, 912, 0.5);
  EXPECT_NEAR(of(all, Strategy::rounds).downtime_ms, 411.8, 0.05);
  EXPECT_NEAR(of(all, Strategy::rounds).total_time_ms, 1706, 0.5);
  EXPECT_NEAR(of(all, Strategy::replay).downtime_ms, 175.0, 0.05);
  EXPECT_NEAR(of(all, Strategy::replay).stall_ms, 175.0, 0.05);
  EXPECT_NEAR(of(all, Strategy::replay).lost_ms, 175.0, 0.05);
  EXPECT_NEAR(of(all, Strategy::replay).total_time_ms, 1722, 0.5);
  EXPECT_NEAR(static_cast<double>(of(all, Strategy::replay).transferred), 89.5e6, 0.3e6);
  EXPECT_EQ(choose(all), Strategy::replay);
}

/// A state that takes the link `r` steps, gradients of a `share` of it, steps of 145 ms.
Measurements job(double r, double share) {
  auto measured = dense(40'000'000, 40e6 / (r * 0.145), 145);
  measured.update_bytes = static_cast<std::uint64_t>(40e6 * share);
  measured.digest_rate = 8e9;
  return measured;
}

struct Regime {
  double r;
  double share;  ///< of the state, that a step's gradients are
  // In steps:
  double stop_lost;
  double whole_stall;  ///< a replay that copies all
  double whole_lost;
  double replay_lost;  ///< as `auto` would have it
  Strategy taken;
};

class Regimes : public ::testing::TestWithParam<Regime> {};

TEST_P(Regimes, CostAsMuchAsTheTableInDocsArchitectureSays) {
  const auto& regime = GetParam();
  const auto m = job(regime.r, regime.share);
  const auto all = predict(m, 0);
  const auto whole = predict(m, 0, FreezeWhen::base_is_whole);
  EXPECT_NEAR(of(all, Strategy::stop_copy).lost_ms / 145, regime.stop_lost, 0.05);
  EXPECT_NEAR(of(all, Strategy::stop_copy).stall_ms / 145, regime.stop_lost, 0.05);
  EXPECT_NEAR(of(whole, Strategy::replay).stall_ms / 145, regime.whole_stall, 0.05);
  EXPECT_NEAR(of(whole, Strategy::replay).lost_ms / 145, regime.whole_lost, 0.05);
  EXPECT_NEAR(of(all, Strategy::replay).lost_ms / 145, regime.replay_lost, 0.05);
  EXPECT_EQ(choose(all), regime.taken);
}

constexpr double kFp32 = 1.0 / 3;
constexpr double kBf16 = 1.0 / 7;

INSTANTIATE_TEST_SUITE_P(
    Planner, Regimes,
    ::testing::Values(Regime{0.5, kFp32, 0.60, 0.25, 0.25, 0.25, Strategy::replay},
                      Regime{0.5, kBf16, 0.60, 0.15, 0.15, 0.15, Strategy::replay},
                      Regime{2, kFp32, 2.10, 0.75, 0.75, 0.75, Strategy::replay},
                      Regime{2, kBf16, 2.10, 0.36, 0.36, 0.36, Strategy::replay},
                      Regime{4.4, kFp32, 4.50, 2.93, 8.12, 2.89, Strategy::replay},
                      Regime{6, kFp32, 6.10, 4.00, 12.50, 4.47, Strategy::replay},
                      Regime{6, kBf16, 6.10, 0.93, 1.23, 1.23, Strategy::replay},
                      Regime{20, kFp32, 20.10, 13.33, 55.51, 55.51, Strategy::stop_copy},
                      Regime{20, kBf16, 20.10, 5.71, 31.37, 15.27, Strategy::replay}));

TEST(ReplayCourse, HoldsEachStepWhereThatKeepsTheLimit) {
  const auto m = job(20, kBf16);  // gradients take 2.9 steps
  const auto free = course_of_replay(m, 0, FreezeWhen::base_is_whole);
  const auto bounded = course_of_replay(m, 3 * 145, FreezeWhen::base_is_whole);
  EXPECT_FALSE(free.holds);
  EXPECT_GT(free.stall_ms, 5 * 145);
  EXPECT_TRUE(bounded.holds);
  EXPECT_LE(bounded.stall_ms, 3 * 145);
  EXPECT_GT(course_of_replay(job(20, kFp32), 3 * 145, FreezeWhen::base_is_whole).stall_ms, 6 * 145)
      << "its gradients alone take 6.7 steps";
}

TEST(ReplayCourse, FreezesAtOnceWhereCopyingOnCostsMoreThanItSpares) {
  auto m = job(6, kFp32);
  m.copied_bytes = m.replayed_bytes * 2 / 3;  // gradients of that take 1.3 steps
  m.logged_bytes = m.copied_bytes;
  const auto course = course_of_replay(m, 0, FreezeWhen::it_pays);
  EXPECT_EQ(course.sync_ms, 0);
  EXPECT_NEAR(course.lost_ms / 145, 2 + 1.33 + 0.1, 0.05);
  m.copied_bytes = m.replayed_bytes / 10;
  EXPECT_GT(course_of_replay(m, 0, FreezeWhen::it_pays).sync_ms, 0);
}

TEST(ReplayCourse, FreezesForWhatIsLeftOfAStepWhoseGradientsGoAhead) {
  auto m = job(2, kFp32);  // gradients take 0.67 steps
  m.rest_share = 0.25;
  EXPECT_NEAR(course_of_replay(m, 0, FreezeWhen::base_is_whole).stall_ms / 145, 0.67 / 4 + 0.08,
              0.02);
  m.rest_share = 1;
  EXPECT_NEAR(course_of_replay(m, 0, FreezeWhen::base_is_whole).stall_ms / 145, 0.67 + 0.08, 0.02);
}

/// Before the base copy is complete none go ahead, but where each step waits for its entry.
TEST(ReplayCourse, OfAPartThatDoesNotHoldHasAllOfItsGradientsToSend) {
  auto m = job(6, kFp32);
  m.copied_bytes = m.replayed_bytes * 2 / 3;
  m.logged_bytes = m.copied_bytes;
  const auto all = course_of_replay(m, 0, FreezeWhen::it_pays);
  m.rest_share = 0.9;
  const auto ahead = course_of_replay(m, 0, FreezeWhen::it_pays);
  ASSERT_EQ(all.sync_ms, 0);
  ASSERT_EQ(ahead.sync_ms, 0);
  EXPECT_EQ(ahead.freeze_ms, all.freeze_ms);
}

TEST(ReplayCourse, WaitsForAScanThatOutlastsAStep) {
  auto m = job(0.5, kFp32);
  m.digest_rate = 40e6 / 1.0;  // a second for all of it
  const auto course = course_of_replay(m, 0, FreezeWhen::base_is_whole);
  EXPECT_NEAR(course.lost_ms - course.freeze_ms, 1000 - 0.7 * 145, 1);
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

TEST(Choose, NeverLosesMoreThanAnotherStrategyWithinTheLimit) {
  for (const double share : {0.0, 0.01, kBf16, 0.25, kFp32, 0.5, 1.0}) {
    for (const double rewritten : {0.01, 0.3, 1.0}) {
      for (double r = 0.01; r < 1000; r *= 1.7) {
        for (const double limit_steps : {0.0, 0.5, 1.0, 3.0, 10.0}) {
          auto m = job(r, share);
          m.replayed_bytes = share == 0 ? 0 : static_cast<std::uint64_t>(40e6 * rewritten);
          m.update_bytes = std::min(m.update_bytes, m.replayed_bytes);
          const auto all = predict(m, limit_steps * 145);
          const auto& taken = of(all, choose(all));
          for (const auto& p : all) {
            if (!p.fits) continue;
            EXPECT_TRUE(taken.fits) << r << " " << share << " " << limit_steps;
            EXPECT_LE(taken.lost_ms, 1.02 * p.lost_ms) << r << " " << share << " " << limit_steps;
          }
        }
      }
    }
  }
}

TEST(Predict, KeepsEachStepWithinTheLimitOfWhatFits) {
  for (double r = 0.01; r < 1000; r *= 1.7) {
    for (const auto& p : predict(job(r, kBf16), 3 * 145)) {
      EXPECT_EQ(p.fits, p.stall_ms <= 3 * 145) << to_string(p.strategy) << " " << r;
      EXPECT_GE(p.stall_ms, p.downtime_ms) << to_string(p.strategy) << " " << r;
      EXPECT_GE(p.lost_ms, p.stall_ms) << to_string(p.strategy) << " " << r;
    }
  }
}

TEST(Choose, WhatIsWithinTheLimitThoughItLosesMore) {
  const auto all = predict(job(20, kBf16), 3 * 145);
  EXPECT_FALSE(of(all, Strategy::stop_copy).fits);
  EXPECT_GT(of(all, Strategy::replay).lost_ms, of(all, Strategy::stop_copy).lost_ms);
  EXPECT_EQ(choose(all), Strategy::replay);
}

TEST(Choose, RoundsWhereNoneIsWithinTheLimit) {
  const auto all = predict(job(20, kFp32), 3 * 145);
  EXPECT_EQ(choose(all), Strategy::rounds);
  EXPECT_THAT(of(all, Strategy::replay).reason, ::testing::HasSubstr("435 ms are allowed"));
}

TEST(NoStrategyFits, SaysWhatEachWouldCostAndWhichLimitWouldDo) {
  const auto m = job(20, kFp32);
  const auto error = no_strategy_fits(m, 435, 40'000'000, predict(m, 435));
  EXPECT_EQ(error.code(), Code::not_converging);
  EXPECT_EQ(error.failure(),
            "no strategy keeps each step of the job within 435 ms on this link: rounds would stop "
            "it for at least 2915 ms, as each step changes 38.1 of 38.1 MiB, stop-copy would stop "
            "it for 2915 ms, replay would keep steps of it for 978 ms");
  EXPECT_EQ(error.hint(), "allow more with --max-stall 1272ms, or raise --bandwidth");
  EXPECT_TRUE(of(predict(m, 1272), Strategy::replay).fits) << "as the hint has it";
}

TEST(NoStrategyFits, LeavesOutWhatCannotBeUsed) {
  auto m = job(20, kFp32);
  m.update_bytes = m.replayed_bytes = 0;
  const auto error = no_strategy_fits(m, 300, 10'000'000, predict(m, 300));
  EXPECT_THAT(error.failure(), ::testing::HasSubstr("changes 9.5 of 38.1 MiB"));
  EXPECT_THAT(error.failure(), ::testing::Not(::testing::HasSubstr("replay")));
}

TEST(Choose, RoundsWhereNothingCanBeReplayed) {
  auto measured = dense(4'000'000'000, 1e8, 250);
  measured.update_bytes = measured.replayed_bytes = 0;
  EXPECT_EQ(choose(predict(measured, 300)), Strategy::rounds);
}

}  // namespace
}  // namespace cardswap
