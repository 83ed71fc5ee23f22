#include "migrator/engine/source/sending/peer_clock.h"

#include <gtest/gtest.h>

#include <limits>

namespace cardswap {
namespace {

TEST(PeerClock, BelievesTheQuickestAnswer) {
  PeerClock clock;
  clock.pinged(1000);
  clock.pinged(2000);
  clock.answered(1000, 501'500, 2900);  // 950 ns each way, as far as anybody knows
  clock.answered(2000, 502'100, 2200);
  EXPECT_EQ(clock.answers(), 2U);
  EXPECT_EQ(clock.offset_ns(), 500'000);
  EXPECT_EQ(clock.error_ns(), 100);
  clock.pinged(3000);
  clock.answered(3000, 900'000, 3900);
  EXPECT_EQ(clock.offset_ns(), 500'000);
}

TEST(PeerClock, IsNotSetByAnAnswerToAPingThatWasNotSent) {
  PeerClock clock;
  clock.pinged(1000);
  clock.answered(std::numeric_limits<std::int64_t>::min(), 7, 1100);
  clock.answered(1099, 7, 1100);
  EXPECT_EQ(clock.answers(), 0U);
  clock.answered(1000, 1050, 1100);
  clock.answered(1000, 7, 1001);
  EXPECT_EQ(clock.answers(), 1U);
  EXPECT_EQ(clock.offset_ns(), 0);
  EXPECT_EQ(clock.error_ns(), 50);
}

TEST(PeerClock, KnowsNothingByAClockThatWasSetBack) {
  PeerClock clock;
  clock.pinged(1000);
  clock.answered(1000, 1, 900);
  EXPECT_EQ(clock.answers(), 0U);
}

}  // namespace
}  // namespace cardswap
