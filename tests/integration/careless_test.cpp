/// Method: two agents, the real command, and a trainer whose author made one ordinary mistake. It
/// notes every update that its optimizer makes; whatever the program does, no update may be made
/// twice, and none by a process that is not the job.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>
#include <sstream>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CarelessTrainer : public ::testing::Test {
 protected:
  std::vector<std::string> program(const std::string& mistake, int steps) const {
    return {CARELESS, "--case", mistake, "--steps", std::to_string(steps), "--log", log_.string()};
  }
  void start(const std::string& mistake, int steps = 400) {
    a_.run_job("job", program(mistake, steps));
    ASSERT_TRUE(within(20s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  /// "0 1 2 ...", in the order in which they were made.
  [[nodiscard]] std::string updates() const {
    std::istringstream lines(read_file(log_.string()));
    std::string made;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("update ")) made += line.substr(7) + " ";
    }
    return made;
  }
  static std::string each_once(int steps) {
    std::string all;
    for (int i = 0; i < steps; ++i) all += std::to_string(i) + " ";
    return all;
  }
  [[nodiscard]] std::string noted() const { return read_file(log_.string()); }

  TempDir dir_;
  std::filesystem::path log_ = dir_.path() / "log";
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(CarelessTrainer, StepsInOneProcessAloneAlthoughItIgnoresThatItMoved) {
  start("moved is ignored");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  EXPECT_EQ(text(b_.ask({"migrate", "job", "--to", a_.at("cpu:0")}), "result"), "ok");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  ASSERT_TRUE(b_.ended_within("job", 60s)) << b_.log();
  EXPECT_EQ(updates(), each_once(400));
}

TEST_F(CarelessTrainer, StepsOnNoOtherThreadOnceItMoved) {
  start("another thread goes on");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  ASSERT_TRUE(b_.ended_within("job", 60s)) << b_.log();
  EXPECT_EQ(updates(), each_once(400));
  EXPECT_THAT(noted(), Not(HasSubstr("the other thread")));
}

TEST_F(CarelessTrainer, IsNotStepedByItsFork) {
  start("a fork goes on", 100);
  ASSERT_TRUE(a_.ended_within("job", 30s));
  EXPECT_THAT(noted(), HasSubstr("the fork's status is 75"));
  EXPECT_EQ(updates(), each_once(100));
  EXPECT_THAT(a_.command({"logs", "job"}).out, HasSubstr("a fork is not the job and may not step"));
}

TEST_F(CarelessTrainer, OpensOneSession) {
  start("second session", 50);
  EXPECT_THAT(noted(), HasSubstr("refused: this process has a Cardswap session already"));
  ASSERT_TRUE(a_.ended_within("job", 30s));
  EXPECT_EQ(updates(), each_once(50));
}

/// A script of the job starts the program twice, side by side.
TEST_F(CarelessTrainer, IsOneProcessOfItsJob) {
  const auto command = std::string(CARELESS) + " --steps 200 --log " + log_.string();
  a_.run_job("job", {"sh", "-c", command + " & sleep 1; " + command + " || echo second: $?; wait"});
  ASSERT_TRUE(a_.ended_within("job", 30s));
  EXPECT_EQ(updates(), each_once(200));
  const auto said = a_.command({"logs", "job"}).out;
  EXPECT_THAT(said, HasSubstr("second: 1"));
  EXPECT_THAT(said, HasSubstr("is the trainer of job job already"));
}

}  // namespace
}  // namespace cardswap::test
