#include "migrator/engine/source/replay/step_waits.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using namespace std::chrono_literals;

/// A clock that goes on when it is told to.
class StepWaitsTest : public ::testing::Test {
 protected:
  using Clock = StepWaits::Clock;
  void wait_for_room(std::uint64_t step, Clock::duration how_long) {
    const auto start = now_;
    (void)waits_.begin(step, start);
    now_ += how_long;
    waits_.note_for_room(start, now_);
  }
  void be_held(std::uint64_t step, Clock::duration how_long) {
    const auto start = now_;
    (void)waits_.begin(step, start);
    now_ += how_long;
    waits_.note_held(start, now_);
  }
  /// How long the step may wait from now on.
  Clock::duration left(std::uint64_t step) { return waits_.begin(step, now_) - now_; }

  StepWaits waits_;
  Clock::time_point now_{1h};
};

TEST_F(StepWaitsTest, AreAsLongAsItTakesWhereNothingBoundsThem) {
  EXPECT_EQ(waits_.begin(1, now_), Clock::time_point::max());
}

TEST_F(StepWaitsTest, OfOneStepAreBoundedAllTogether) {
  waits_.set_max(100ms);
  EXPECT_EQ(left(1), 100ms);
  wait_for_room(1, 30ms);
  EXPECT_EQ(left(1), 70ms);
  be_held(1, 50ms);
  EXPECT_EQ(left(1), 20ms);
  be_held(1, 50ms);
  EXPECT_EQ(left(1), 0ms) << "it has waited for longer already";
  EXPECT_EQ(left(2), 100ms) << "another step has waited for nothing";
}

TEST_F(StepWaitsTest, ThatBeganBeforeABoundAreNotShortened) {
  const auto until = waits_.begin(1, now_);
  waits_.set_max(10ms);
  EXPECT_EQ(until, Clock::time_point::max());
  waits_.set_max(std::nullopt);
  EXPECT_EQ(waits_.begin(1, now_), Clock::time_point::max());
}

TEST_F(StepWaitsTest, AreCountedByWhatTheyWereFor) {
  wait_for_room(1, 30ms);
  be_held(1, 20ms);
  be_held(2, 40ms);
  EXPECT_DOUBLE_EQ(waits_.for_room_ms(), 30);
  EXPECT_DOUBLE_EQ(waits_.all_ms(), 90);
  EXPECT_DOUBLE_EQ(waits_.longest_ms(), 50) << "the first step, in two waits";
}

TEST_F(StepWaitsTest, TellWhatTheLatestHeldStepWaited) {
  be_held(1, 20ms);
  be_held(1, 5ms);
  EXPECT_DOUBLE_EQ(waits_.held_ms(), 25) << "before each of its optimizers";
  wait_for_room(2, 30ms);
  EXPECT_DOUBLE_EQ(waits_.held_ms(), 25);
  be_held(2, 1ms);
  EXPECT_DOUBLE_EQ(waits_.held_ms(), 1);
}

}  // namespace
}  // namespace cardswap
