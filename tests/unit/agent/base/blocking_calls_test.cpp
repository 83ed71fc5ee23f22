#include "agent/base/blocking_calls.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Error kNotBack(Code::timed_out, "it did not return", "look why");

int result_of(std::function<int()> call, milliseconds limit = seconds(30)) {
  asio::io_context context(1);
  BlockingCalls calls(context, kNotBack);
  auto result = asio::co_spawn(context, calls.run(std::move(call), limit), asio::use_future);
  context.run();
  return result.get();
}

TEST(BlockingCalls, GivesWhatACallReturnsOrThrows) {
  const auto here = std::this_thread::get_id();
  EXPECT_EQ(result_of([here] { return std::this_thread::get_id() == here ? 1 : 2; }), 2);
  try {
    (void)result_of([]() -> int { throw Error(Code::no_memory, "full"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::no_memory);
  }
}

TEST(BlockingCalls, GivesUpACallThatDoesNotReturnAndWaitsForItAtItsEnd) {
  std::promise<void> gone_on;
  std::atomic<bool> ended = false;
  std::function<int()> call = [waits = gone_on.get_future().share(), &ended] {
    waits.wait();
    ended = true;
    return 1;
  };
  asio::io_context context(1);
  {
    BlockingCalls calls(context, kNotBack);
    auto result =
        asio::co_spawn(context, calls.run(std::move(call), milliseconds(5)), asio::use_future);
    context.run();
    try {
      (void)result.get();
      ADD_FAILURE() << "it waited";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::timed_out);
      EXPECT_EQ(error.hint(), "look why");
    }
    EXPECT_FALSE(ended);
    gone_on.set_value();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace cardswap
