#include "migrator/engine/source/replay/gradient_forecast.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

TEST(GradientForecast, ExpectsNothingBeforeTheFirstEntry) {
  const GradientForecast gradients;
  EXPECT_EQ(gradients.latest_step(), 0U);
  EXPECT_EQ(gradients.most_bytes(), 0U);
  EXPECT_EQ(gradients.usual_bytes(), 0U);
  EXPECT_EQ(gradients.usual_rest_bytes(), 0U);
}

/// A step has an entry of each of its optimizers.
TEST(GradientForecast, AddsUpTheEntriesOfAStep) {
  GradientForecast gradients;
  gradients.note(7, 1000, 200);
  gradients.note(7, 500, 100);
  EXPECT_EQ(gradients.latest_step(), 7U);
  EXPECT_EQ(gradients.most_bytes(), 1500U);
  EXPECT_EQ(gradients.usual_bytes(), 1500U);
  EXPECT_EQ(gradients.usual_rest_bytes(), 1200U);
  gradients.note(8, 900, 0);
  EXPECT_EQ(gradients.most_bytes(), 1500U) << "the two steps apart";
}

TEST(GradientForecast, BelievesALargerStepAtOnce) {
  GradientForecast gradients;
  gradients.note(1, 1000, 0);
  gradients.note(2, 4000, 0);
  EXPECT_EQ(gradients.usual_bytes(), 4000U);
  EXPECT_EQ(gradients.usual_rest_bytes(), 4000U);
}

/// An expert that is chosen seldom makes one large step.
TEST(GradientForecast, ForgetsALargeStepByAFiftiethAtEachFurtherOne) {
  GradientForecast gradients;
  gradients.note(1, 10000, 0);
  gradients.note(2, 100, 0);
  EXPECT_EQ(gradients.usual_bytes(), 9800U);
  EXPECT_EQ(gradients.usual_rest_bytes(), 9800U);
  gradients.note(3, 100, 0);
  EXPECT_EQ(gradients.usual_bytes(), 9604U);
  EXPECT_EQ(gradients.most_bytes(), 10000U) << "which is never forgotten";
  for (std::uint64_t step = 4; step < 1000; ++step) gradients.note(step, 100, 0);
  EXPECT_EQ(gradients.usual_bytes(), 100U);
}

/// Once gradients go ahead, what is left to the entries falls within a few steps.
TEST(GradientForecast, ForgetsARestByAQuarterWhereGradientsWentAhead) {
  GradientForecast gradients;
  gradients.note(1, 10000, 0);
  gradients.note(2, 10000, 9000);
  EXPECT_EQ(gradients.usual_rest_bytes(), 7500U);
  EXPECT_EQ(gradients.usual_bytes(), 10000U) << "of which the rest is";
  gradients.note(3, 10000, 10000);
  EXPECT_EQ(gradients.usual_rest_bytes(), 5625U);
}

/// An audit may need an entry of a step that no optimizer took.
TEST(GradientForecast, LearnsNothingOfTheRestFromAnEntryWithoutGradients) {
  GradientForecast gradients;
  gradients.note(1, 1000, 0);
  gradients.note(2, 0, 0);
  EXPECT_EQ(gradients.latest_step(), 2U);
  EXPECT_EQ(gradients.usual_bytes(), 980U);
  EXPECT_EQ(gradients.usual_rest_bytes(), 1000U);
}

TEST(GradientForecast, AveragesWhatTheEntriesOfAStepTookTogether) {
  GradientForecast forecast;
  EXPECT_EQ(forecast.usual_sent_ms(), 0);
  forecast.note_sent(1, 6);
  forecast.note_sent(1, 2);
  EXPECT_EQ(forecast.usual_sent_ms(), 8);
  forecast.note_sent(2, 4);
  EXPECT_EQ(forecast.usual_sent_ms(), 6);
  forecast.note_sent(2, 8);
  EXPECT_EQ(forecast.usual_sent_ms(), 10) << "two optimizers";
  forecast.note_sent(3, 2);
  EXPECT_EQ(forecast.usual_sent_ms(), 6);
}

}  // namespace
}  // namespace cardswap
