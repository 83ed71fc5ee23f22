#include "migrator/engine/source/replay/replay_forecast.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using Advice = ReplayForecast::Advice;
using ::testing::IsEmpty;
using ::testing::StrEq;

/// A state that takes the link a step, with gradients that take a tenth of one, of which a
/// twenty-fifth is left to the step's entry. Of the link a byte takes a microsecond. A freeze takes
/// 5 ms besides what it sends.
class ReplayForecastTest : public ::testing::Test {
 protected:
  static constexpr double kFixedMs = 5;

  ReplayForecastTest() {
    facts_.measured.link_rate = 1e6;
    facts_.measured.digest_rate = 1e15;
    facts_.measured.step_ms = 100;
    facts_.measured.state_bytes = 100'000;
    facts_.sizes = {100'000, 10'000};
    gradients_are(10'000, 9'600);
    facts_.is_audited = true;
    spec_.strategy = Strategy::replay;
    spec_.max_stall_ms = 300;
    spec_.timeout_ms = 0;
  }

  /// A step, with the entry that was sent of it.
  void step(std::uint64_t gradients, std::uint64_t ahead) {
    facts_.gradients.note(++facts_.updates_sent, gradients, ahead);
    facts_.log_bytes += gradients;
    facts_.early_bytes += ahead;
    facts_.program_step = facts_.updates_sent;
  }
  /// The log began with two steps, and it was looked at between them.
  void gradients_are(std::uint64_t bytes, std::uint64_t ahead) {
    facts_.gradients = {};
    facts_.updates_sent = facts_.log_bytes = facts_.early_bytes = 0;
    history_ = {};
    step(bytes, ahead);
    history_.first_step = facts_.updates_sent;
    step(bytes, ahead);
  }
  ReplayForecast look() { return forecast_of(facts_, spec_, history_); }
  Advice advice() { return look().advice; }
  /// The course from here on, as the planner reckons it.
  [[nodiscard]] ReplayCourse course() const {
    return course_of_replay(measurements_of(facts_), spec_.max_stall_ms,
                            freeze_when(spec_.strategy));
  }

  ReplayFacts facts_;
  MigrationSpec spec_;
  ForecastHistory history_;
};

// ---- when a freeze is offered

TEST_F(ReplayForecastTest, OffersAFreezeOnceAllIsCopiedAndAuditedAndTheLogHasCaughtUp) {
  EXPECT_EQ(advice(), Advice::offer_freeze);
  facts_.bytes_to_copy = 1;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.bytes_to_copy = 0;
  facts_.is_audited = false;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.is_audited = true;
  facts_.lag_bytes = 10'001;
  EXPECT_EQ(advice(), Advice::go_on) << "more than the largest step so far";
  facts_.lag_bytes = 10'000;
  EXPECT_EQ(advice(), Advice::offer_freeze);
}

TEST_F(ReplayForecastTest, OffersNoFreezeThatStandsForLongerThanTheLimit) {
  facts_.measured.dirty_bytes = 20'000;
  ASSERT_NEAR(look().stall_ms, kFixedMs + 20 + 0.4, 1e-3);
  spec_.max_stall_ms = look().stall_ms;
  EXPECT_EQ(advice(), Advice::offer_freeze);
  facts_.measured.dirty_bytes += 1;
  EXPECT_EQ(advice(), Advice::go_on);
  spec_.max_stall_ms = 0;
  EXPECT_EQ(advice(), Advice::offer_freeze) << "there is no limit";
}

/// Steps that leave less to their entries each, as at the end of the base copy.
TEST_F(ReplayForecastTest, WaitsForAStepMoreWhileEachLeavesLess) {
  gradients_are(40'000, 0);
  for (int look = 0; look < 9; ++look) {
    EXPECT_EQ(advice(), Advice::go_on) << "it is no step to look again";
  }
  for (int fell = 0; fell < 3; ++fell) {  // to three quarters each, and to half of all
    step(40'000, 20'000);
    EXPECT_EQ(advice(), Advice::go_on);
  }
  step(40'000, 20'000);
  EXPECT_EQ(advice(), Advice::go_on) << "it may have been a slow moment";
  step(40'000, 20'000);
  EXPECT_EQ(advice(), Advice::offer_freeze);
}

TEST_F(ReplayForecastTest, WaitsForNoStepWhereATwentiethOfOneIsLeft) {
  gradients_are(10'000, 4'990);
  EXPECT_EQ(advice(), Advice::go_on);
  gradients_are(10'000, 5'010);
  EXPECT_EQ(advice(), Advice::offer_freeze);
}

TEST_F(ReplayForecastTest, WaitsForNoStepThatWouldBeLate) {
  gradients_are(40'000, 0);
  facts_.holds_each_step = true;
  EXPECT_EQ(advice(), Advice::offer_freeze) << "it waits for its own entry";
  facts_.holds_each_step = false;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.measured.replay_ms = 100;
  EXPECT_EQ(advice(), Advice::offer_freeze) << "the target follows no faster";
}

TEST_F(ReplayForecastTest, WaitsNoLongerThanHalfOfTheTimeout) {
  gradients_are(40'000, 0);
  const double freeze_ms = kFixedMs + 40;
  spec_.timeout_ms = 2'000;
  facts_.age_ms = 1'000 - 100 - freeze_ms - 1;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.age_ms += 2;
  EXPECT_EQ(advice(), Advice::offer_freeze);
  spec_.timeout_ms = 0;
  EXPECT_EQ(advice(), Advice::go_on) << "there is no timeout";
}

/// A freeze that does not fit is one that could be: the boundaries that it may wait for are few.
TEST_F(ReplayForecastTest, CountsTheBoundariesAtWhichAFreezeDidNotFit) {
  gradients_are(40'000, 0);
  history_.limit_was_judged = true;
  spec_.max_stall_ms = 20;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.program_step += BacklogTrend::kStepsMax;
  EXPECT_EQ(advice(), Advice::go_on);
  spec_.max_stall_ms = 300;
  EXPECT_EQ(advice(), Advice::offer_freeze);
}

/// Gradients that take the link two steps: what is copied on costs each step more than it saves.
TEST_F(ReplayForecastTest, OffersAFreezeOfAPartWhereTheStrategyWasChosenAndItPays) {
  facts_.sizes.replayed_bytes = facts_.measured.state_bytes = 600'000;
  gradients_are(200'000, 0);
  facts_.bytes_to_copy = 300'000;
  facts_.is_audited = false;
  spec_.max_stall_ms = 0;
  EXPECT_EQ(advice(), Advice::go_on) << "asked for by name it ends in what was audited";
  spec_.strategy = Strategy::automatic;
  EXPECT_EQ(advice(), Advice::offer_freeze);
  facts_.lag_bytes = 220'000;
  facts_.waited_ms = 7;
  const auto offered = look();
  ASSERT_EQ(offered.advice, Advice::offer_freeze);
  EXPECT_NEAR(offered.stall_ms, kFixedMs + static_cast<double>(offered.freeze_bytes) / 1e3, 1e-3)
      << "of this freeze, not of the best one";
  EXPECT_NEAR(offered.lost_ms, 7 + offered.stall_ms, 1e-3);
  EXPECT_NE(offered.stall_ms, course().stall_ms);
  facts_.lag_bytes = 0;
  facts_.waited_ms = 0;
  spec_.max_stall_ms = 100;
  history_.limit_was_judged = true;
  EXPECT_EQ(advice(), Advice::go_on) << "the time parked is beyond the limit";
  spec_.max_stall_ms = 0;
  facts_.bytes_to_copy = 500'000;
  EXPECT_EQ(advice(), Advice::go_on) << "with the entry of what was copied, copying on loses less";
}

TEST_F(ReplayForecastTest, CountsTheRestOfAnEntryIntoAnEarlyFreezeWhereStepsWaitForTheirs) {
  facts_.sizes.replayed_bytes = facts_.measured.state_bytes = 600'000;
  gradients_are(200'000, 100'000);
  facts_.bytes_to_copy = 300'000;
  facts_.is_audited = false;
  spec_.strategy = Strategy::automatic;
  spec_.max_stall_ms = 10'000;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.holds_each_step = true;
  EXPECT_EQ(advice(), Advice::offer_freeze);
}

TEST_F(ReplayForecastTest, CopiesAllWhereTheLogGoesWithinTheSteps) {
  spec_.strategy = Strategy::automatic;
  gradients_are(10'000, 0);
  facts_.bytes_to_copy = 1;
  facts_.measured.digest_rate = 1e6;  // a scan keeps a step, so that a freeze before it loses less
  facts_.is_audited = false;
  EXPECT_EQ(advice(), Advice::go_on);
}

// ---- what is to be expected

TEST_F(ReplayForecastTest, AFreezeSendsWhatIsLeftOfTheCopyWhatDifferedAndAnEntryOfWhatWasCopied) {
  gradients_are(10'000, 4'000);
  EXPECT_EQ(look().freeze_bytes, 6'000U);
  facts_.measured.dirty_bytes = 700;
  EXPECT_EQ(look().freeze_bytes, 6'700U);
  facts_.unsent_bytes = 8'000;
  EXPECT_EQ(look().freeze_bytes, 8'700U) << "more than an entry leaves";
  facts_.state_bytes_per_gradient_byte = 0.5;
  EXPECT_EQ(look().freeze_bytes, 4'700U) << "gradients compress better than the state";
  facts_.bytes_to_copy = 75'000;
  EXPECT_EQ(look().freeze_bytes, 76'700U) << "the entry has a quarter of the gradients";
}

TEST_F(ReplayForecastTest, AnEntryThatWasSentIsReplayedByTheFreezeUnlessTheLogIsSlowerThanSteps) {
  gradients_are(10'000, 4'000);
  facts_.lag_bytes = 10'000;
  EXPECT_EQ(look().freeze_bytes, 6'000U);
  facts_.measured.replay_ms = 100;
  EXPECT_EQ(look().freeze_bytes, 10'000U);
}

/// A millisecond of which the link takes 0.4: it is compared, compressed and heard of.
TEST_F(ReplayForecastTest, CountsWhatEntriesTakeBesidesTheLink) {
  const auto before = look();
  facts_.gradients.note_sent(2, 1);
  EXPECT_NEAR(look().stall_ms, before.stall_ms + 0.6, 1e-3);
  EXPECT_NEAR(look().lost_ms, before.lost_ms + 0.6, 1e-3);
  EXPECT_EQ(look().freeze_bytes, before.freeze_bytes);
  facts_.gradients.note_sent(3, 0);
  facts_.gradients.note_sent(4, 0);
  EXPECT_NEAR(look().stall_ms, before.stall_ms, 1e-3) << "no less than the link takes";
}

TEST_F(ReplayForecastTest, IsAsLateAsTheCourseThatIsLeftOrTheFreezeOnceThatCanBe) {
  facts_.bytes_to_copy = 50'000;
  facts_.longest_wait_ms = 1;
  facts_.waited_ms = 12;
  EXPECT_EQ(look().stall_ms, course().stall_ms);
  EXPECT_EQ(look().lost_ms, 12 + course().lost_ms);
  facts_.bytes_to_copy = 0;
  const auto forecast = look();
  const auto freeze_ms = kFixedMs + static_cast<double>(forecast.freeze_bytes) / 1e3;
  EXPECT_NEAR(forecast.stall_ms, freeze_ms, 1e-3);
  EXPECT_NEAR(forecast.lost_ms, 12 + freeze_ms, 1e-3);
  facts_.longest_wait_ms = 80;
  EXPECT_EQ(look().stall_ms, 80) << "what was counts as well";
}

/// The last replay runs beside the step that the source takes.
TEST_F(ReplayForecastTest, CountsNoReplayIntoTheFreeze) {
  const auto without_ms = look().stall_ms;
  facts_.measured.replay_ms = 90;
  EXPECT_EQ(look().stall_ms, without_ms);
}

TEST_F(ReplayForecastTest, StandsTwiceWithARehearsal) {
  const auto once = look();
  facts_.measured.rehearses = true;
  const auto twice = look();
  EXPECT_GT(twice.lost_ms, once.lost_ms);
  EXPECT_LT(twice.stall_ms, twice.lost_ms);
}

// ---- the limit

TEST_F(ReplayForecastTest, RefusesAReplayThatWouldKeepAStepForLongerThanTheLimit) {
  gradients_are(60'000, 0);
  spec_.max_stall_ms = 50;
  const auto stall_ms = course().stall_ms;
  ASSERT_NEAR(stall_ms, 65, 0.4) << "a step's entry, and the freeze besides";
  const auto forecast = look();
  EXPECT_EQ(forecast.advice, Advice::refuse);
  EXPECT_THAT(forecast.why,
              StrEq("replay would keep a step of the job for 65 ms, 50 ms are allowed: the "
                    "gradients of a step take 60 ms on this link"));
  EXPECT_THAT(forecast.hint, StrEq("allow more with --max-stall 85ms, raise --bandwidth, or let "
                                   "--strategy auto choose"));
  EXPECT_EQ(forecast.stall_ms, stall_ms) << "which is told all the same";
}

TEST_F(ReplayForecastTest, GoesOnByRoundsInsteadWhereReplayWasChosen) {
  gradients_are(60'000, 0);
  spec_.max_stall_ms = 50;
  spec_.strategy = Strategy::automatic;
  const auto forecast = look();
  EXPECT_EQ(forecast.advice, Advice::go_by_rounds);
  EXPECT_THAT(forecast.why,
              StrEq("by rounds: replay would keep a step of the job for 65 ms, 50 ms are allowed: "
                    "the gradients of a step take 60 ms on this link"));
  EXPECT_THAT(forecast.hint, IsEmpty());
}

TEST_F(ReplayForecastTest, KeepsALimitThatIsMetExactly) {
  gradients_are(60'000, 0);
  facts_.bytes_to_copy = 1'000;
  spec_.max_stall_ms = course().stall_ms;
  EXPECT_EQ(advice(), Advice::go_on);
  EXPECT_TRUE(history_.limit_was_judged);
}

/// Experts that are chosen seldom have no gradients in most steps: only a step's entries tell.
TEST_F(ReplayForecastTest, JudgesTheLimitOnceAWholeStepWasSent) {
  spec_.max_stall_ms = 50;
  facts_.sizes.update_bytes = 60'000;
  facts_.gradients = {};
  facts_.updates_sent = 0;
  EXPECT_EQ(advice(), Advice::go_on) << "nothing was sent";
  step(60'000, 0);
  EXPECT_EQ(advice(), Advice::go_on) << "another optimizer's entry of the step may follow";
  facts_.gradients.note(1, 1'000, 0);
  EXPECT_EQ(advice(), Advice::go_on);
  step(60'000, 0);
  EXPECT_EQ(advice(), Advice::refuse);
}

TEST_F(ReplayForecastTest, JudgesTheLimitOnce) {
  spec_.max_stall_ms = 50;
  facts_.bytes_to_copy = 1'000;
  EXPECT_EQ(advice(), Advice::go_on);
  facts_.gradients = {};
  facts_.gradients.note(1, 10'000, 0);
  EXPECT_EQ(advice(), Advice::go_on);
  step(60'000, 0);
  ASSERT_GT(course().stall_ms, 50);
  EXPECT_EQ(advice(), Advice::go_on) << "the log itself ends before a step waits for longer";
}

TEST_F(ReplayForecastTest, KeepsToNoLimitWhereThereIsNone) {
  gradients_are(60'000, 0);
  spec_.max_stall_ms = 0;
  EXPECT_EQ(advice(), Advice::go_on);
  EXPECT_FALSE(history_.limit_was_judged);
}

TEST(WaitMax, LeavesRoomForTheFreezeBehindTheLastStepAndIsAQuarterOfTheLimitAtLeast) {
  Measurements measured;
  measured.handover_ms = 38;
  EXPECT_NEAR(wait_max_ms(measured, 100), 60, 1e-9);
  EXPECT_NEAR(wait_max_ms(measured, 40), 10, 1e-9);
  measured.step_ms = 20;
  EXPECT_NEAR(wait_max_ms(measured, 100), 45, 1e-9);
}

TEST(CopiesOf, AreWholeUnlessReplayWasChosen) {
  EXPECT_EQ(freeze_when(Strategy::replay), FreezeWhen::base_is_whole);
  EXPECT_EQ(freeze_when(Strategy::automatic), FreezeWhen::it_pays);
}

// ---- what the planner is told

TEST(MeasurementsOfAReplay, TakeTheSizesUntilEntriesWereSeen) {
  ReplayFacts facts;
  facts.sizes = {1'000, 300};
  facts.measured.step_ms = 7;
  facts.state_bytes_per_gradient_byte = 0.5;
  EXPECT_EQ(measurements_of(facts).replayed_bytes, 1'000U);
  EXPECT_EQ(measurements_of(facts).update_bytes, 150U) << "what they take the link";
  EXPECT_EQ(measurements_of(facts).step_ms, 7);
  facts.gradients.note(1, 200, 0);
  EXPECT_EQ(measurements_of(facts).update_bytes, 100U);
  facts.log_bytes = 200;
  EXPECT_EQ(measurements_of(facts).logged_bytes, 100U);
}

TEST(MeasurementsOfAReplay, HaveCopiedWhatTheBaseCopyDoesNotLack) {
  ReplayFacts facts;
  facts.sizes = {1'000, 300};
  facts.bytes_to_copy = 400;
  EXPECT_EQ(measurements_of(facts).copied_bytes, 600U);
  facts.bytes_to_copy = 1'001;
  EXPECT_EQ(measurements_of(facts).copied_bytes, 0U) << "a shard is copied a second time";
}

TEST(MeasurementsOfAReplay, LeaveAShareToTheEntriesOnceGradientsWentAhead) {
  ReplayFacts facts;
  EXPECT_EQ(measurements_of(facts).rest_share, 1);
  facts.gradients.note(1, 1'000, 750);
  EXPECT_EQ(measurements_of(facts).rest_share, 1);
  facts.early_bytes = 750;
  EXPECT_EQ(measurements_of(facts).rest_share, 0.25);
}

}  // namespace
}  // namespace cardswap
