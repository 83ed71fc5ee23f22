#include "agent/gang/rank_lines.h"

#include <gmock/gmock.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "agent/base/signal.h"

namespace cardswap::gang {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Hosts that answer when they are let to: `calls` tells what each was asked, in order.
class Hosts {
 public:
  asio::awaitable<std::string> call(std::uint32_t rank, int said) {
    calls.push_back(std::to_string(said) + " to " + std::to_string(rank));
    if (slow.at(rank)) co_await may_answer_.at(rank).wait_until(later_);
    if (said < 0) throw Error(Code::unreachable, "nobody there");
    co_return std::to_string(said) + " of " + std::to_string(rank);
  }
  void let_answer(std::uint32_t rank) { may_answer_.at(rank).notify(); }

  std::vector<bool> slow = std::vector<bool>(3, false);
  std::vector<std::string> calls;

 private:
  const std::chrono::steady_clock::time_point later_ =
      std::chrono::steady_clock::now() + std::chrono::hours(1);
  std::array<Signal, 3> may_answer_;
};

class RankLinesTest : public ::testing::Test {
 protected:
  void run() {
    io_.restart();
    io_.poll();
  }
  ~RankLinesTest() override {
    tasks_.stop();
    run();
  }

  asio::io_context io_;
  TaskGroup tasks_{io_};
  Hosts hosts_;
  std::vector<std::string> heard_;
  std::vector<std::string> failed_;
  RankLines<int, std::string> lines_{
      tasks_,
      "gang",
      3,
      {[this](std::uint32_t rank, int said) { return hosts_.call(rank, said); },
       [this](std::uint32_t, const std::string& heard) {
         if (heard == "13 of 0") throw Error(Code::io, "no space left on the disk");
         heard_.push_back(heard);
       },
       [this](std::uint32_t rank, const Error& why) {
         failed_.push_back(std::to_string(rank) + ": " + why.failure());
       }}};
};

TEST_F(RankLinesTest, AreNotHeldUpByOneHostThatIsSlow) {
  hosts_.slow.at(1) = true;
  for (const std::uint32_t rank : {0U, 1U, 2U}) lines_.send(rank, 7);
  run();
  EXPECT_THAT(heard_, ElementsAre("7 of 0", "7 of 2"));
  EXPECT_TRUE(lines_.is_busy(1));
  lines_.send(0, 8);
  run();
  EXPECT_THAT(heard_, ElementsAre("7 of 0", "7 of 2", "8 of 0"));
  hosts_.let_answer(1);
  run();
  EXPECT_EQ(heard_.back(), "7 of 1");
  EXPECT_FALSE(lines_.is_busy(1));
}

TEST_F(RankLinesTest, SayOnlyTheLatestOfWhatHadToWait) {
  hosts_.slow.at(1) = true;
  for (const int said : {1, 2, 3}) {
    lines_.send(1, said);
    run();
  }
  EXPECT_THAT(hosts_.calls, ElementsAre("1 to 1"));
  hosts_.slow.at(1) = false;
  hosts_.let_answer(1);
  run();
  EXPECT_THAT(hosts_.calls, ElementsAre("1 to 1", "3 to 1"));
  EXPECT_THAT(heard_, ElementsAre("1 of 1", "3 of 1"));
}

TEST_F(RankLinesTest, GoOnAfterACallThatFailsAndAnAnswerThatCannotBeTaken) {
  lines_.send(0, -1);
  run();
  EXPECT_THAT(failed_, ElementsAre("0: nobody there"));
  lines_.send(0, 13);
  run();
  EXPECT_THAT(failed_, ElementsAre("0: nobody there", "0: no space left on the disk"));
  lines_.send(0, 5);
  run();
  EXPECT_THAT(heard_, ElementsAre("5 of 0"));
}

TEST_F(RankLinesTest, EndWithTheirTasksAndTellNobody) {
  hosts_.slow.at(1) = true;
  lines_.send(1, 7);
  run();
  tasks_.stop();
  run();
  EXPECT_TRUE(tasks_.empty());
  EXPECT_THAT(failed_, IsEmpty());
  EXPECT_THAT(heard_, IsEmpty());
}

}  // namespace
}  // namespace cardswap::gang
