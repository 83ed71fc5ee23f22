#include "agent/criu/worker.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

namespace cardswap::criu {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int result_of(std::function<int()> call, milliseconds limit = seconds(30)) {
  asio::io_context context(1);
  Worker worker(context);
  auto result = asio::co_spawn(context, worker.run(std::move(call), limit), asio::use_future);
  context.run();
  return result.get();
}

TEST(Worker, GivesWhatACallReturnsOrThrows) {
  const auto here = std::this_thread::get_id();
  EXPECT_EQ(result_of([here] { return std::this_thread::get_id() == here ? 1 : 2; }), 2);
  try {
    (void)result_of([]() -> int { throw Error(Code::no_memory, "full"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::no_memory);
  }
}

TEST(Worker, GivesUpACallThatDoesNotReturnAndWaitsForItAtItsEnd) {
  std::promise<void> gone_on;
  std::atomic<bool> ended = false;
  std::function<int()> call = [waits = gone_on.get_future().share(), &ended] {
    waits.wait();
    ended = true;
    return 1;
  };
  asio::io_context context(1);
  {
    Worker worker(context);
    auto result =
        asio::co_spawn(context, worker.run(std::move(call), milliseconds(5)), asio::use_future);
    context.run();
    EXPECT_THROW((void)result.get(), Error);
    EXPECT_FALSE(ended);
    gone_on.set_value();
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace cardswap::criu
