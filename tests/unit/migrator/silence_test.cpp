#include "migrator/core/silence.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

using namespace std::chrono_literals;

const auto kStart = Silence::Clock::time_point(100s);

TEST(Silence, GrowsWhileThisSideListens) {
  Silence silence;
  silence.look(kStart);
  silence.broken();
  EXPECT_EQ(silence.look(kStart + 500ms), 500ms);
  EXPECT_EQ(silence.look(kStart + 900ms), 900ms);
}

TEST(Silence, EndsWithAWord) {
  Silence silence;
  silence.look(kStart);
  silence.broken();
  silence.look(kStart + 500ms);
  silence.broken();
  EXPECT_EQ(silence.look(kStart + 600ms), 100ms);
}

TEST(Silence, OfAPeerIsNotWhatPassedWhileThisSideWasAway) {
  Silence silence;
  silence.look(kStart);
  silence.broken();
  EXPECT_EQ(silence.look(kStart + 1h), Silence::kPauseMax);
}

}  // namespace
}  // namespace cardswap
