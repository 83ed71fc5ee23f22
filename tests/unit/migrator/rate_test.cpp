#include "migrator/core/rate.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kMiB = 1 << 20;

TEST(RateCap, LetsEverythingPassWithoutACap) {
  RateCap cap(0);
  const RateCap::Clock::time_point now{seconds(5)};
  cap.note_sent(1000 * kMiB, now);
  EXPECT_EQ(cap.ready_at(now), now);
}

TEST(RateCap, KeepsTheRateOverManySends) {
  RateCap cap(100 * kMiB);
  const RateCap::Clock::time_point start{seconds(5)};
  auto now = start;
  for (int i = 0; i < 1000; ++i) {
    now = cap.ready_at(now);
    cap.note_sent(kMiB, now);
  }
  EXPECT_NEAR(std::chrono::duration<double>(now - start).count(), 10.0, 0.05);
}

TEST(RateCap, MakesUpForBeingWokenLate) {
  RateCap cap(100 * kMiB);
  const RateCap::Clock::time_point start{seconds(5)};
  auto now = start;
  for (int i = 0; i < 1000; ++i) {
    now = cap.ready_at(now) + milliseconds(7);
    cap.note_sent(kMiB, now);
  }
  EXPECT_NEAR(std::chrono::duration<double>(now - start).count(), 10.0, 0.05);
}

TEST(RateCap, DoesNotMakeUpForAPause) {
  RateCap cap(100 * kMiB);
  RateCap::Clock::time_point now{seconds(5)};
  cap.note_sent(kMiB, now);
  now += seconds(10);
  auto sent = now;
  for (int i = 0; i < 100; ++i) {
    sent = cap.ready_at(sent);
    cap.note_sent(kMiB, sent);
  }
  EXPECT_GE(sent - now, milliseconds(960));
}

TEST(RateMeter, FollowsWhatItSees) {
  RateMeter meter;
  EXPECT_EQ(meter.bytes_per_s(), 0);
  meter.add(kMiB, seconds(1));
  EXPECT_DOUBLE_EQ(meter.bytes_per_s(), kMiB);
  for (int i = 0; i < 40; ++i) meter.add(10 * kMiB, seconds(1));
  EXPECT_NEAR(meter.bytes_per_s(), 10.0 * kMiB, 0.01 * kMiB);
}

TEST(RateMeter, IsHardlyMovedByWhatABufferTakes) {
  RateMeter meter;
  for (int i = 0; i < 5; ++i) meter.add(10 * kMiB, seconds(1));
  for (int i = 0; i < 5; ++i) meter.add(kMiB / 8, milliseconds(1));  // 125 MiB/s
  EXPECT_LT(meter.bytes_per_s(), 40.0 * kMiB);
}

TEST(RateMeter, ForgetsAFirstSmallSendAtOnce) {
  RateMeter meter;
  meter.add(1000, std::chrono::microseconds(1));
  meter.add(10 * kMiB, seconds(1));
  EXPECT_NEAR(meter.bytes_per_s(), 10.0 * kMiB, 0.1 * kMiB);
}

}  // namespace
}  // namespace cardswap
