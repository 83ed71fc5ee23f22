#include "migrator/plan/lateness.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace cardswap {
namespace {

constexpr Pace kPace{.step_ms = 100, .spread_ms = 5, .steps = 64};

Lateness after(const std::vector<double>& took_ms) {
  Lateness lateness(kPace);
  for (const auto took : took_ms) lateness.add(took);
  return lateness;
}

TEST(PaceBefore, IsTheMedianAndWhatNineOfTenStayWithin) {
  std::vector<float> took;
  for (int i = 1; i <= 64; ++i) took.push_back(100 + static_cast<float>(i));
  std::ranges::reverse(took);
  const auto pace = pace_of(took);
  EXPECT_EQ(pace.steps, 64U);
  EXPECT_EQ(pace.step_ms, 133);
  EXPECT_EQ(pace.spread_ms, 157 - 133);
}

TEST(PaceBefore, IsOfThreeStepsAtLeast) {
  std::vector<float> two{20, 21};
  EXPECT_FALSE(pace_of(two).is_known());
  EXPECT_FALSE(pace_of({}).is_known());
  // The first step of a program makes much that the others find.
  std::vector<float> three{500, 20, 21};
  EXPECT_TRUE(pace_of(three).is_known());
  EXPECT_EQ(pace_of(three).step_ms, 21);
  EXPECT_FLOAT_EQ(static_cast<float>(pace_of(three).spread_ms), 0.01F * 21);
}

TEST(PaceBefore, AllowsStepsThatAllTookTheSameALittle) {
  std::vector<float> same(10, 200);
  EXPECT_EQ(pace_of(same).spread_ms, 2);
  std::vector<float> fast(10, 1);
  EXPECT_EQ(pace_of(fast).spread_ms, 0.1);
}

TEST(Lateness, OfOneLongStepIsWhatItTookBeyondTheMedian) {
  const auto lateness = after({100, 99, 845, 101, 100});
  EXPECT_EQ(lateness.stall_ms(), 745);
  EXPECT_EQ(lateness.lost_ms(), 745);
  EXPECT_EQ(lateness.steps(), 5U);
}

TEST(Lateness, OfTwoStallsIsTheirSumAndTheLongerOne) {
  std::vector<double> took{400};
  took.insert(took.end(), 50, 100);
  took.push_back(250);
  took.insert(took.end(), 50, 100);
  EXPECT_EQ(after(took).stall_ms(), 300);
  EXPECT_EQ(after(took).lost_ms(), 450);
}

/// Each is late by much less than a single step may be.
TEST(Lateness, OfManyStepsThatAreALittleLateAddsUp) {
  const auto lateness = after(std::vector<double>(500, 110));
  EXPECT_EQ(lateness.lost_ms(), 500 * 10);
  EXPECT_EQ(lateness.stall_ms(), 10);
}

TEST(Lateness, IsToldWhileItLasts) {
  Lateness lateness(kPace);
  lateness.add(600);
  EXPECT_EQ(lateness.lost_ms(), 500);
  lateness.add(600);
  EXPECT_EQ(lateness.lost_ms(), 1000);
  EXPECT_EQ(lateness.stall_ms(), 500);
}

TEST(Lateness, OfEarlyStepsMakesUpForNothingThatWasLost) {
  const auto lateness = after({700, 50, 50, 50, 50, 50, 50, 50, 50, 50, 50});
  EXPECT_EQ(lateness.lost_ms(), 600);
}

/// Of steps that are as those before were, whatever the number of them.
TEST(Lateness, IsNothingForOrdinaryJitter) {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  for (const double sigma : {0.5, 5.0, 20.0}) {
    std::normal_distribution<double> jitter(100, sigma);
    std::vector<float> before(64);
    for (auto& took : before) took = static_cast<float>(jitter(random));
    Lateness lateness(pace_of(before));
    for (int i = 0; i < 2000; ++i) lateness.add(jitter(random));
    EXPECT_LE(lateness.lost_ms(), 10 * sigma) << "of a deviation of " << sigma;
  }
}

/// A few steps are much later than the others, before the request as after it.
TEST(Lateness, IsLittleForJitterWithALongTail) {
  std::mt19937 random(11);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  std::lognormal_distribution<double> tail(0, 1);
  const auto step = [&] { return 95 + 5 * tail(random); };
  std::vector<float> before(64);
  for (auto& took : before) took = static_cast<float>(step());
  Lateness lateness(pace_of(before));
  constexpr int kSteps = 2000;
  for (int i = 0; i < kSteps; ++i) lateness.add(step());
  EXPECT_LE(lateness.lost_ms(), 0.02 * kSteps * 100);
}

TEST(Lateness, OfAStepInWhichTheJobStoodCountsHoweverShortThatWas) {
  Lateness lateness(kPace);
  lateness.add_parked(107);
  EXPECT_EQ(lateness.stall_ms(), 7);
  EXPECT_EQ(lateness.lost_ms(), 7);
  lateness.add_parked(90);
  EXPECT_EQ(lateness.lost_ms(), 7) << "it was early all the same";
}

TEST(Lateness, OfAStandComesOnTopOfTheStepsBeforeIt) {
  auto lateness = after({300, 300});
  lateness.add_parked(900);
  lateness.add(100);
  EXPECT_EQ(lateness.lost_ms(), 200 + 200 + 800);
  EXPECT_EQ(lateness.stall_ms(), 800);
}

TEST(Lateness, IsNeverLessThanTheLongestStall) {
  std::mt19937 random(3);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  std::uniform_real_distribution<double> anything(0, 400);
  for (int run = 0; run < 200; ++run) {
    Lateness lateness(kPace);
    for (int i = 0; i < 60; ++i) {
      if (i % 17 == 0) {
        lateness.add_parked(anything(random));
      } else {
        lateness.add(i % 3 == 0 ? anything(random) : 100);
      }
      ASSERT_LE(lateness.stall_ms(), lateness.lost_ms() + 1e-9);
      ASSERT_EQ(lateness.stall_ms() > 0, lateness.lost_ms() > 0);
    }
  }
}

TEST(Lateness, IsNothingWhereThePaceIsNotKnown) {
  Lateness lateness(Pace{.step_ms = 20, .spread_ms = 1, .steps = 2});
  lateness.add(500);
  lateness.add_parked(500);
  EXPECT_EQ(lateness.lost_ms(), 0);
  EXPECT_EQ(lateness.steps(), 2U);
  EXPECT_FALSE(lateness.pace().is_known());
}

}  // namespace
}  // namespace cardswap
