#include "agent/base/signal.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "agent/base/task_group.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class SignalTest : public ::testing::Test {
 protected:
  void TearDown() override {  // the signal outlives who waits
    tasks_.stop();
    context_.restart();
    context_.run();
  }
  asio::awaitable<void> wait(Clock::duration time) {
    ++begun_;
    try {
      co_await signal_.wait_until(Clock::now() + time);
      ++woken_;
    } catch (const boost::system::system_error&) {
      ++cancelled_;
    }
  }

  asio::io_context context_;
  TaskGroup tasks_{context_};
  Signal signal_;
  int begun_ = 0;
  int woken_ = 0;
  int cancelled_ = 0;
};

TEST_F(SignalTest, WakesAllWhoWaitAndNobodyElse) {
  tasks_.spawn("first", wait(1h));
  tasks_.spawn("second", wait(1h));
  context_.poll();
  ASSERT_EQ(begun_, 2);
  EXPECT_EQ(woken_, 0);
  signal_.notify();
  EXPECT_EQ(woken_, 0) << "whoever notifies goes on first";
  tasks_.spawn("too late", wait(1h));
  context_.poll();
  EXPECT_EQ(woken_, 2);
  EXPECT_EQ(begun_, 3);
}

TEST_F(SignalTest, EndsAWaitAtItsDeadline) {
  tasks_.spawn("wait", wait(1ms));
  context_.run();
  EXPECT_EQ(woken_, 1);
  signal_.notify();  // nobody is left that it could wake
}

TEST_F(SignalTest, IsNotWaitedForByACoroutineThatIsCancelled) {
  tasks_.spawn("wait", wait(1h));
  context_.poll();
  tasks_.stop();
  context_.run();
  EXPECT_EQ(cancelled_, 1);
  EXPECT_EQ(woken_, 0);
  signal_.notify();
}

TEST_F(SignalTest, HidesNoCancellationThatComesWithItsWord) {
  tasks_.spawn("wait", wait(1h));
  context_.poll();
  signal_.notify();
  asio::dispatch(context_, [this] { tasks_.stop(); });
  context_.run();
  EXPECT_TRUE(tasks_.empty());
  EXPECT_EQ(woken_ + cancelled_, 1) << "it ends once";
}

/// It has no loop of its own: each waiter goes on where it was started.
TEST_F(SignalTest, WakesEachWaiterInTheLoopInWhichItWaits) {
  asio::io_context other;
  TaskGroup others(other);
  tasks_.spawn("here", wait(1h));
  others.spawn("there", wait(1h));
  context_.poll();
  other.poll();
  ASSERT_EQ(begun_, 2);
  signal_.notify();
  context_.poll();
  EXPECT_EQ(woken_, 1);
  other.poll();
  EXPECT_EQ(woken_, 2);
}

}  // namespace
}  // namespace cardswap::test
