#include "agent/snapshots/schedule.h"

#include <gtest/gtest.h>

namespace cardswap::snapshots {
namespace {

using std::chrono::milliseconds;

Protection every_steps(std::uint64_t steps) {
  Protection protection;
  protection.every_steps = steps;
  return protection;
}
Protection every_ms(std::int64_t time) {
  Protection protection;
  protection.every_ms = time;
  return protection;
}
/// The last snapshot, of that step and time.
ProtectionNotes last_of(std::uint64_t step, std::int64_t at_ms = 0) {
  ProtectionNotes notes;
  notes.number = 1;
  notes.step = step;
  notes.at_ms = at_ms;
  return notes;
}

TEST(Schedule, TakesTheFirstSnapshotAtOnce) {
  EXPECT_TRUE(is_due(every_steps(1000), {}, {.step = 3}));
  EXPECT_TRUE(is_due(every_ms(3'600'000), {}, {.now_ms = 5}));
}

TEST(Schedule, GoesByMultiplesHoweverLateTheLastOneWas) {
  EXPECT_FALSE(is_due(every_steps(100), last_of(100), {.step = 199}));
  EXPECT_TRUE(is_due(every_steps(100), last_of(100), {.step = 200}));
  EXPECT_FALSE(is_due(every_steps(100), last_of(187), {.step = 199}));
  EXPECT_TRUE(is_due(every_steps(100), last_of(187), {.step = 200}));
  EXPECT_TRUE(is_due(every_steps(100), last_of(100), {.step = 555}));
}

TEST(Schedule, GoesByTheTimeSinceTheLastOne) {
  EXPECT_FALSE(is_due(every_ms(1000), last_of(7, 50'000), {.step = 900, .now_ms = 50'999}));
  EXPECT_TRUE(is_due(every_ms(1000), last_of(7, 50'000), {.step = 7, .now_ms = 51'000}));
}

TEST(Schedule, GoesByThePlannedIntervalWhereTheOrderLeavesItOpen) {
  Protection protection;
  protection.is_auto = true;
  auto notes = last_of(7, 50'000);
  notes.interval.every_ms = 1000;
  EXPECT_FALSE(is_due(protection, notes, {.step = 900, .now_ms = 50'999}));
  EXPECT_TRUE(is_due(protection, notes, {.step = 7, .now_ms = 51'000}));
}

TEST(Schedule, TrustsNoClockThatWasSetBack) {
  EXPECT_TRUE(is_due(every_ms(1000), last_of(7, 50'000), {.step = 7, .now_ms = 49'000}));
  ProtectionNotes failed;
  failed.retry_at_ms = 1'000'000;
  EXPECT_FALSE(may_try(failed, 999'999));
  EXPECT_TRUE(may_try(failed, 1'000'000));
  EXPECT_TRUE(may_try(failed, 100'000)) << "no wait is that long";
}

TEST(Schedule, TakesOneWhenTheProgramBeganAgain) {
  EXPECT_TRUE(is_due(every_steps(100), last_of(900), {.step = 5, .restarts = 1}));
  EXPECT_FALSE(is_due(every_steps(100), last_of(900), {.step = 5}));
}

TEST(Schedule, WaitsTwiceAsLongAfterEachFailureUpToTenMinutes) {
  EXPECT_EQ(wait_after(1), milliseconds(2000));
  EXPECT_EQ(wait_after(2), milliseconds(4000));
  EXPECT_EQ(wait_after(5), milliseconds(32'000));
  EXPECT_EQ(wait_after(9), milliseconds(512'000));
  EXPECT_EQ(wait_after(10), milliseconds(600'000));
  EXPECT_EQ(wait_after(4'000'000'000U), milliseconds(600'000));
}

}  // namespace
}  // namespace cardswap::snapshots
