/// A gate that is armed: the training thread is parked at one boundary that was agreed on, or
/// whoever arms it hears that it is late. The rest of the gate: tracker_test.cpp.

#include "runtime/step_gate.h"

#include <gmock/gmock.h>

#include <atomic>
#include <semaphore>
#include <thread>

namespace cardswap {
namespace {

using Answer = StepGate::ArmAnswer;

constexpr Answer set_to(std::uint64_t step) { return {true, step}; }
constexpr Answer late_until(std::uint64_t step) { return {false, step}; }

/// A training thread that begins a step whenever it is allowed to, and tells where it is.
class OneLoop {
 public:
  StepGate gate{{{}, [this] { note(parked_at_, gate.step()); }, {}, {}}};

  ~OneLoop() {
    stopping_ = true;
    gate.release();
    allow(1);
  }
  OneLoop() = default;
  OneLoop(const OneLoop&) = delete;
  OneLoop& operator=(const OneLoop&) = delete;

  /// Lets it take `steps` steps more.
  void allow(std::ptrdiff_t steps) { allowed_.release(steps); }
  /// Waits until it has left the boundary `step`.
  void wait_until_past(std::uint64_t step) const { wait_for(passed_, step); }
  /// Waits until it is parked at `step`, or at a later one; returns at which.
  [[nodiscard]] std::uint64_t wait_until_parked(std::uint64_t step) const {
    return wait_for(parked_at_, step);
  }
  [[nodiscard]] std::uint64_t passed() const { return passed_; }
  [[nodiscard]] StepResult wait_for_result() {
    thread_.join();
    return last_;
  }

 private:
  using Count = std::atomic<std::uint64_t>;

  static void note(Count& count, std::uint64_t value) {
    count = value;
    count.notify_all();
  }
  static std::uint64_t wait_for(const Count& count, std::uint64_t value) {
    auto now = count.load();
    for (; now < value; now = count.load()) count.wait(now);
    return now;
  }
  void train() {
    while (last_ == StepResult::proceed) {
      allowed_.acquire();
      if (stopping_) return;
      last_ = gate.boundary();
      note(passed_, gate.step());
    }
  }

  Count parked_at_{0};
  Count passed_{0};
  std::counting_semaphore<> allowed_{0};
  std::atomic<bool> stopping_{false};
  StepResult last_ = StepResult::proceed;
  std::jthread thread_{[this] { train(); }};
};

TEST(ArmedStepGate, ParksTheThreadAtItsStepAndAtNoEarlierOne) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(3), set_to(3));
  loop.allow(5);
  EXPECT_EQ(loop.wait_until_parked(1), 3U);
  EXPECT_EQ(loop.passed(), 2U);
  loop.gate.disarm();
  loop.wait_until_past(5);
}

TEST(ArmedStepGate, IsLateForAStepThatTheThreadHasPassedAndSaysTheEarliest) {
  OneLoop loop;
  loop.allow(2);
  loop.wait_until_past(2);
  EXPECT_EQ(loop.gate.arm(1), late_until(3));
  EXPECT_EQ(loop.gate.arm(2), late_until(3));
  EXPECT_FALSE(loop.gate.has_attention()) << "what is late leaves nothing behind";
  EXPECT_EQ(loop.gate.arm(3), set_to(3));
  loop.allow(1);
  EXPECT_EQ(loop.wait_until_parked(1), 3U);
}

TEST(ArmedStepGate, KeepsToItsStepWhenAnotherOneWasLate) {
  OneLoop loop;
  loop.allow(1);
  loop.wait_until_past(1);
  EXPECT_EQ(loop.gate.arm(3), set_to(3));
  EXPECT_EQ(loop.gate.arm(1), late_until(2));
  loop.allow(2);
  EXPECT_EQ(loop.wait_until_parked(1), 3U);
}

TEST(ArmedStepGate, TakesTheStepAtWhichTheThreadStandsAgain) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(1), set_to(1));
  loop.allow(2);
  EXPECT_EQ(loop.wait_until_parked(1), 1U);
  EXPECT_EQ(loop.gate.arm(1), set_to(1));
  EXPECT_EQ(loop.gate.arm(0), late_until(1));
  EXPECT_TRUE(loop.gate.run_parked([] {})) << "it has to be there still";
  EXPECT_EQ(loop.passed(), 0U);
}

TEST(ArmedStepGate, LetsAParkedThreadGoOnByItselfWhenItIsArmedForALaterStep) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(1), set_to(1));
  loop.allow(4);
  EXPECT_EQ(loop.wait_until_parked(1), 1U);
  EXPECT_EQ(loop.gate.arm(4), set_to(4));
  EXPECT_EQ(loop.wait_until_parked(2), 4U);
  EXPECT_EQ(loop.passed(), 3U);
}

TEST(ArmedStepGate, LetsAParkedThreadLeaveBeforeItMayBeArmedForThatStepAgain) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(1), set_to(1));
  loop.allow(2);
  EXPECT_EQ(loop.wait_until_parked(1), 1U);
  // The thread cannot see what happens here before it is over.
  EXPECT_TRUE(loop.gate.run_parked([&] {
    EXPECT_EQ(loop.gate.arm(2), set_to(2));
    EXPECT_EQ(loop.gate.arm(1), late_until(2)) << "it was told to go on";
  }));
  EXPECT_EQ(loop.wait_until_parked(2), 2U);
}

TEST(ArmedStepGate, DoesNotParkWhenItWasDisarmedBefore) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(2), set_to(2));
  loop.gate.disarm();
  EXPECT_FALSE(loop.gate.has_attention());
  loop.allow(3);
  loop.wait_until_past(3);
}

TEST(ArmedStepGate, KeepsAThreadThatIsToParkAnyway) {
  OneLoop loop;
  loop.gate.park();
  loop.allow(2);
  EXPECT_EQ(loop.wait_until_parked(1), 1U);
  EXPECT_EQ(loop.gate.arm(2), set_to(2));
  EXPECT_TRUE(loop.gate.run_parked([] {})) << "park() keeps it";
  loop.gate.disarm();
  EXPECT_TRUE(loop.gate.run_parked([] {})) << "park() keeps it";
  loop.gate.release();
  loop.wait_until_past(2);
}

TEST(ArmedStepGate, EndsTheLoopWhenItIsRetired) {
  OneLoop loop;
  EXPECT_EQ(loop.gate.arm(1), set_to(1));
  loop.allow(1);
  EXPECT_EQ(loop.wait_until_parked(1), 1U);
  loop.gate.retire();
  EXPECT_EQ(loop.wait_for_result(), StepResult::moved);
  EXPECT_FALSE(loop.gate.arm(2).is_set) << "nobody would be parked";
}

/// Method: a loop that nothing holds back is armed for the very next step, hundreds of times. What
/// the gate has taken, the thread keeps to: it is parked at that step, and not one later.
TEST(ArmedStepGate, NeverTakesAStepThatTheThreadIsLeaving) {
  constexpr int kTimes = 300;
  OneLoop loop;
  loop.allow(std::counting_semaphore<>::max() / 2);
  int taken = 0;
  for (int i = 0; i < kTimes; ++i) {
    const auto wanted = loop.gate.step() + 1;
    const auto answer = loop.gate.arm(wanted);
    if (!answer.is_set) {
      ASSERT_GT(answer.step, wanted);
      continue;
    }
    ASSERT_EQ(answer.step, wanted);
    ASSERT_EQ(loop.wait_until_parked(wanted), wanted);
    ASSERT_EQ(loop.gate.step(), wanted);
    loop.gate.disarm();
    ++taken;
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace cardswap
