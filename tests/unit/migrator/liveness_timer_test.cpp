#include "migrator/base/liveness_timer.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

using namespace std::chrono_literals;

const auto kStart = LivenessTimer::Clock::time_point(100s);

TEST(LivenessTimer, GrowsWhileThisSideListens) {
  LivenessTimer timer;
  timer.elapsed(kStart);
  timer.note_contact(kStart);
  EXPECT_EQ(timer.elapsed(kStart + 500ms), 500ms);
  EXPECT_EQ(timer.elapsed(kStart + 900ms), 900ms);
}

TEST(LivenessTimer, HoldsNothingBeforeTheFirstWordAgainstThePeer) {
  LivenessTimer timer;
  timer.note_contact(kStart);
  EXPECT_EQ(timer.elapsed(kStart + 1ms), 1ms);
}

TEST(LivenessTimer, EndsWithAWord) {
  LivenessTimer timer;
  timer.elapsed(kStart);
  timer.note_contact(kStart);
  timer.elapsed(kStart + 500ms);
  timer.note_contact(kStart + 500ms);
  EXPECT_EQ(timer.elapsed(kStart + 600ms), 100ms);
}

TEST(LivenessTimer, OfAPeerIsNotWhatPassedWhileThisSideWasAway) {
  LivenessTimer timer;
  timer.elapsed(kStart);
  timer.note_contact(kStart);
  EXPECT_EQ(timer.elapsed(kStart + 1h), LivenessTimer::kPauseMax);
}

}  // namespace
}  // namespace cardswap
