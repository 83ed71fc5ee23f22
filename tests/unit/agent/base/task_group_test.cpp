#include "agent/base/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

/// As many as make it likely that memory which was given back is taken again.
constexpr int kTasks = 256;

class TaskGroups : public ::testing::Test {
 protected:
  asio::io_context context;
  TaskGroup tasks{context};
  int ended = 0;
  int cancelled = 0;
  int begun = 0;

  asio::awaitable<void> yield() {
    ++begun;
    co_await asio::post(context, asio::use_awaitable);
    ++ended;
  }
  asio::awaitable<void> wait(std::chrono::milliseconds time) {
    try {
      co_await pause_for(time);
      ++ended;
    } catch (const boost::system::system_error&) {
      ++cancelled;
    }
  }
};

TEST_F(TaskGroups, IsEmptyWhenItsTasksHaveEndedAndNotBefore) {
  tasks.spawn("short", wait(0ms));
  EXPECT_FALSE(tasks.empty());
  context.run();
  EXPECT_TRUE(tasks.empty());
  EXPECT_EQ(ended, 1);
}

TEST_F(TaskGroups, StartsNothingAfterItWasStopped) {
  tasks.stop();
  tasks.spawn("late", wait(0ms));
  EXPECT_TRUE(tasks.empty());
  context.run();
  EXPECT_EQ(ended, 0);
}

TEST_F(TaskGroups, StoppedFromItsLoopEndsEachTaskByCancellation) {
  for (int i = 0; i < kTasks; ++i) tasks.spawn("long", wait(1h));
  asio::post(context, [&] { tasks.stop(); });
  context.run();
  EXPECT_TRUE(tasks.empty());
  EXPECT_EQ(cancelled, kTasks);
}

/// The loop stands still when they are stopped, and each has its turn before it hears of that.
TEST_F(TaskGroups, StoppedFromOutsideAsksNoTaskThatHasEnded) {
  for (int i = 0; i < kTasks; ++i) {
    tasks.spawn("at its end", yield());
    tasks.spawn("long", wait(1h));
  }
  while (begun < kTasks) context.run_one();
  tasks.stop();
  context.run();
  EXPECT_TRUE(tasks.empty());
  EXPECT_EQ(ended, kTasks);
  EXPECT_EQ(cancelled, kTasks);
}

}  // namespace
}  // namespace cardswap::test
