#include "agent/base/time_limit.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>

namespace cardswap::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class TimeLimits : public ::testing::Test {
 protected:
  void set(std::chrono::milliseconds limit) {
    limit_.emplace(context_.get_executor(), limit, [this] { ++acts_; });
  }

  asio::io_context context_;
  std::optional<TimeLimit> limit_;
  int acts_ = 0;
};

TEST_F(TimeLimits, ActsOnceWhenItsTimeIsOver) {
  set(1ms);
  EXPECT_FALSE(limit_->is_over());
  context_.run();
  EXPECT_TRUE(limit_->is_over());
  EXPECT_EQ(acts_, 1);
}

TEST_F(TimeLimits, IsTakenBackByItsEnd) {
  set(1h);
  limit_.reset();
  context_.run();
  EXPECT_EQ(acts_, 0);
}

/// Method: two timers are due before the loop turns, so it queues both handlers; the first one's
/// ends the limit, whose own is queued by then.
TEST_F(TimeLimits, DoesNothingAfterItsEndThoughItsHandlerIsQueued) {
  asio::steady_timer first(context_, 1ms);
  first.async_wait([&](const boost::system::error_code&) { limit_.reset(); });
  set(2ms);
  const auto due = std::chrono::steady_clock::now() + 4ms;
  while (std::chrono::steady_clock::now() < due) {
  }
  context_.run();
  EXPECT_EQ(acts_, 0);
}

TEST_F(TimeLimits, MayBeEndedByWhatItDoes) {
  limit_.emplace(context_.get_executor(), 1ms, [this] {
    limit_.reset();
    ++acts_;
  });
  context_.run();
  EXPECT_EQ(acts_, 1);
}

}  // namespace
}  // namespace cardswap::test
