#include "agent/handover/base/flag_scope.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLong{60};

class FlagScopeTest : public ::testing::Test {
 protected:
  asio::awaitable<void> fail_later() {
    const FlagScope scope(flag_, changed_);
    co_await pause_for(std::chrono::milliseconds(1));
    throw Error(Code::io, "no descriptor is left");
  }
  asio::awaitable<void> await_end() {
    while (flag_) co_await changed_.wait_until(Clock::now() + kLong);
    seen_ = true;
  }

  asio::io_context context_;
  Signal changed_;
  TaskGroup tasks_{context_};
  bool flag_ = false;
  bool seen_ = false;
};

TEST_F(FlagScopeTest, IsSetWhileItLives) {
  {
    const FlagScope scope(flag_, changed_);
    EXPECT_TRUE(flag_);
  }
  EXPECT_FALSE(flag_);
}

TEST_F(FlagScopeTest, EndsTheWaitForACoroutineThatThrows) {
  flag_ = true;  // as whoever begins it does, so that nobody begins it twice
  tasks_.spawn("fail", fail_later());
  tasks_.spawn("wait", await_end());
  const auto before = Clock::now();
  context_.run();
  EXPECT_FALSE(flag_);
  EXPECT_TRUE(seen_);
  EXPECT_LT(Clock::now() - before, kLong / 2) << "it was told, and did not look again by chance";
}

}  // namespace
}  // namespace cardswap
