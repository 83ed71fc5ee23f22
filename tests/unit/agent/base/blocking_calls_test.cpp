#include "agent/base/blocking_calls.h"

#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>
#include <thread>

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const BlockingCalls::Late kLate{Error(Code::timed_out, "it did not return", "look why"),
                                Error(Code::conflict, "no thread was free")};
constexpr int kThreads = 4;

int result_of(std::function<int()> call, milliseconds limit = seconds(30)) {
  asio::io_context context(1);
  BlockingCalls calls(context, kLate);
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
    BlockingCalls calls(context, kLate);
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

/// Calls that block until they are let go, on every thread that there is.
class Blocked : public ::testing::Test {
 protected:
  Blocked() {
    for (int i = 0; i < kThreads; ++i) {
      std::function<int()> call = [this, waits = waits_] {
        ++begun_;
        waits.wait();
        return 1;
      };
      asio::co_spawn(context_, calls_.run(std::move(call), seconds(30)),
                     [](const std::exception_ptr&, int) {});
    }
    turn_until([this] { return begun_ == kThreads; });
  }
  ~Blocked() override {
    if (!is_free_) let_go();
    turn_until([] { return false; }, milliseconds(20));
  }
  void let_go() {
    is_free_ = true;
    go_on_.set_value();
  }
  template <class Done>
  void turn_until(Done done, milliseconds most = seconds(20)) {
    const auto until = std::chrono::steady_clock::now() + most;
    while (!done() && std::chrono::steady_clock::now() < until) {
      context_.restart();
      context_.run_for(milliseconds(5));
    }
  }
  /// One more call with that limit; it ends with `failed_` where it threw.
  void call(milliseconds limit, std::function<int()> what) {
    asio::co_spawn(context_, calls_.run(std::move(what), limit),
                   [this](const std::exception_ptr& error, int) {
                     if (error) failed_ = error_of(error);
                     ended_ = true;
                   });
  }

  asio::io_context context_{1};
  std::promise<void> go_on_;
  const std::shared_future<void> waits_ = go_on_.get_future().share();
  std::atomic<int> begun_ = 0;
  bool is_free_ = false;
  bool ended_ = false;
  std::optional<Error> failed_;
  BlockingCalls calls_{context_, kLate};
};

TEST_F(Blocked, CallsTakeNothingFromTheLimitOfOneThatWaitsForThem) {
  const auto mine = std::make_shared<std::promise<void>>();
  call(milliseconds(2000), [waits = mine->get_future().share()] {
    waits.wait();
    return 1;
  });
  turn_until([this] { return ended_; }, milliseconds(1200));
  ASSERT_FALSE(ended_);
  let_go();
  turn_until([this] { return ended_; }, milliseconds(1200));  // the 2 s since it was made are over
  EXPECT_FALSE(ended_) << "it was not given its time";
  mine->set_value();
  turn_until([this] { return ended_; });
  EXPECT_FALSE(failed_.has_value()) << failed_->what();
}

TEST_F(Blocked, CallsAreNotMadeAnyMoreOnceNobodyWaits) {
  std::atomic<bool> made = false;
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = owned;
  call(milliseconds(20), [&made, owned = std::move(owned)] {
    made = true;
    return *owned;
  });
  turn_until([this] { return ended_; });
  ASSERT_TRUE(failed_.has_value());
  EXPECT_EQ(failed_->code(), Code::conflict) << failed_->what();
  EXPECT_TRUE(alive.expired()) << "what it owns is held, by a call that is not to be";
  let_go();
  call(seconds(20), [] { return 1; });
  ended_ = false;
  turn_until([this] { return ended_; });
  EXPECT_FALSE(made);
}

}  // namespace
}  // namespace cardswap
