#include "agent/base/backoff.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, WaitsTwiceAsLongEachTimeUpToItsLimit) {
  Backoff backoff(100ms, 500ms);
  for (const auto expected : {100ms, 200ms, 400ms, 500ms, 500ms}) {
    EXPECT_EQ(backoff.next(), expected);
  }
}

TEST(Backoff, BeginsAgainOnceItWasReset) {
  Backoff backoff(100ms, 500ms);
  EXPECT_TRUE(backoff.is_reset());
  (void)backoff.next();
  EXPECT_FALSE(backoff.is_reset());
  backoff.reset();
  EXPECT_TRUE(backoff.is_reset());
  EXPECT_EQ(backoff.next(), 100ms);
}

TEST(Backoff, LetsThatTimePassBeforeATryIsMadeAgain) {
  asio::io_context context;
  TaskGroup tasks(context);
  Backoff backoff(3ms, 1h);
  (void)backoff.next();
  const auto began = std::chrono::steady_clock::now();
  tasks.spawn("wait", backoff.wait());
  context.run();
  EXPECT_GE(std::chrono::steady_clock::now() - began, 6ms);
  EXPECT_EQ(backoff.next(), 12ms);
}

TEST(Backoff, EndsWithTheTaskThatWaits) {
  asio::io_context context;
  TaskGroup tasks(context);
  Backoff backoff(1h, 1h);
  tasks.spawn("wait", backoff.wait());
  tasks.stop();
  context.run();
  EXPECT_TRUE(tasks.empty());
}

}  // namespace
}  // namespace cardswap
