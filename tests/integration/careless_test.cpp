/// Method: two agents, the real command, and a trainer whose author made one ordinary mistake. It
/// notes every update that its optimizer makes; whatever the program does, no update may be made
/// twice, and none by a process that is not the job.

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
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
  /// It trains until finish().
  void start(const std::string& mistake) {
    a_.run_job("job", {CARELESS, "--case", mistake, "--steps", "1000000", "--log", log_.string(),
                       "--finish", end_.string()});
    ASSERT_TRUE(within(20s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  /// Some steps later, at `host`.
  void finish(Host& host) {
    const auto from = host.step_of("job");
    ASSERT_TRUE(within(20s, [&] { return host.step_of("job") >= from + 20; })) << host.log();
    std::ofstream(end_).put('\n');
    ASSERT_TRUE(host.ended_within("job", 60s)) << host.log();
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
  static std::string each_once(std::int64_t steps) {
    std::string all;
    for (std::int64_t i = 0; i < steps; ++i) all += std::to_string(i) + " ";
    return all;
  }
  [[nodiscard]] std::string each_once() const {
    return each_once(std::ranges::count(updates(), ' '));
  }
  [[nodiscard]] std::string noted() const { return read_file(log_.string()); }

  TempDir dir_;
  std::filesystem::path log_ = dir_.path() / "log";
  std::filesystem::path end_ = dir_.path() / "end";
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
};

TEST_F(CarelessTrainer, StepsInOneProcessAloneAlthoughItIgnoresThatItMoved) {
  start("moved is ignored");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  EXPECT_EQ(text(b_.ask({"migrate", "job", "--to", a_.at("cpu:0")}), "result"), "ok");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  finish(b_);
  EXPECT_EQ(updates(), each_once());
}

TEST_F(CarelessTrainer, StepsOnNoOtherThreadOnceItMoved) {
  start("another thread goes on");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  finish(b_);
  EXPECT_EQ(updates(), each_once());
  EXPECT_THAT(noted(), Not(HasSubstr("the other thread")));
}

TEST_F(CarelessTrainer, IsNotStepedByItsFork) {
  start("a fork goes on");
  finish(a_);
  EXPECT_THAT(noted(), HasSubstr("the fork's status is 75"));
  EXPECT_EQ(updates(), each_once());
  EXPECT_THAT(a_.command({"logs", "job"}).out, HasSubstr("a fork is not the job and may not step"));
}

TEST_F(CarelessTrainer, OpensOneSession) {
  start("second session");
  EXPECT_THAT(noted(), HasSubstr("refused: this process has a Cardswap session already"));
  finish(a_);
  EXPECT_EQ(updates(), each_once());
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

struct Told {
  const char* mistake;
  const char* reason;
};
class CarelessTrainerThatCannotMove : public CarelessTrainer,
                                      public ::testing::WithParamInterface<Told> {};

TEST_P(CarelessTrainerThatCannotMove, IsToldByNameAndTrainsOn) {
  const auto& c = GetParam();
  start(c.mistake);
  ASSERT_TRUE(within(10s, [&] {
    return a_.command({"jobs"}).out.find("cannot move: " + std::string(c.reason)) !=
           std::string::npos;
  })) << a_.command({"jobs"}).out;
  const auto plan = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
  EXPECT_THAT(plan.out, HasSubstr(c.reason));
  const auto refused = a_.command({"migrate", "job", "--to", b_.at("cpu:0")});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr(c.reason));
  EXPECT_THAT(a_.command({"jobs", "job", "--state"}).out, HasSubstr(c.reason));
  finish(a_);
  EXPECT_EQ(updates(), each_once());
}

INSTANTIATE_TEST_SUITE_P(
    All, CarelessTrainerThatCannotMove,
    ::testing::Values(
        Told{"nothing says what the optimizer has", "optimizer of type"},
        Told{"a save throws", "'cursor' cannot be saved: no such shard"},
        Told{"a save is restless", "'cursor' saves other bytes each time it is asked"},
        Told{"a value is large", "'table' saves 36.0 MiB, a value may have 32.0 MiB"},
        Told{"something is tracked late", "'late' was tracked after the first boundary"}),
    [](const auto& info) {
      std::string name = info.param.mistake;
      for (auto& c : name) c = c == ' ' ? '_' : c;
      return name;
    });

TEST_F(CarelessTrainer, IsToldOfAValueThatStandsStill) {
  start("a value stands still");
  const auto list = a_.ask({"jobs", "job", "--state"});
  std::string still;
  for (const auto& one : list.at("items").as_array()) {
    const auto& item = one.as_object();
    if (!item.at("changed").is_bool() || item.at("changed").as_bool()) continue;
    still += text(item, "name") + ": " + text(item, "note") + "; ";
  }
  EXPECT_EQ(still, "sampler: unchanged since the first boundary; ");
}

/// A state without any memory of its own is a state.
TEST_F(CarelessTrainer, MovesWithNothingButValues) {
  start("nothing but values");
  EXPECT_EQ(text(a_.ask({"migrate", "job", "--to", b_.at("cpu:0")}), "result"), "ok");
  finish(b_);
  EXPECT_EQ(updates(), each_once());
}

/// What is in the way is known again to an agent that was restarted.
TEST_F(CarelessTrainer, TellsAnAgentThatComesBackWhatIsInTheWay) {
  start("a save throws");
  a_.kill_agent(SIGKILL);
  a_.start_agent();
  EXPECT_TRUE(within(10s, [&] {
    return a_.command({"jobs"}).out.find("cannot move: 'cursor'") != std::string::npos;
  })) << a_.command({"jobs"}).out;
}

/// A host with another LibTorch computes other bits.
TEST_F(CarelessTrainer, IsNotMovedToAnotherFramework) {
  const auto release = dir_.path() / "release";
  std::ofstream(release) << "libtorch 2.11.0";
  const auto quoted = "export CLAIMED_FRAMEWORK=\"$(cat " + release.string() + ")\"; exec " +
                      CARELESS + " --steps 1000000 --log " + log_.string() + " --finish " +
                      end_.string();
  a_.run_job("job", {"sh", "-c", quoted});
  ASSERT_TRUE(within(20s, [&] { return a_.step_of("job") >= 3; }));
  std::ofstream(release) << "libtorch 2.9.1";
  const auto refused = a_.command({"migrate", "job", "--to", b_.at("cpu:0")});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err,
              HasSubstr("runs on libtorch 2.11.0, its standby on b on libtorch 2.9.1"));
  finish(a_);
  EXPECT_EQ(updates(), each_once());
}

/// A dry run asks for the same place as the migration, so it is refused for the same.
TEST_F(CarelessTrainer, IsRefusedForItsFrameworksNameByADryRunToo) {
  a_.run_job("job", {"sh", "-c",
                     "export CLAIMED_FRAMEWORK=\"$(printf 'libtorch\\n2')\"; exec " CARELESS
                     " --steps 1000000 --log " +
                         log_.string() + " --finish " + end_.string()});
  ASSERT_TRUE(within(20s, [&] { return a_.step_of("job") >= 3; }));
  for (const bool dry : {true, false}) {
    SCOPED_TRACE(dry ? "dry run" : "migration");
    std::vector<std::string> arguments{"migrate", "job", "--to", b_.at("cpu:0")};
    if (dry) arguments.emplace_back("--dry-run");
    const auto refused = a_.command(arguments);
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.out + refused.err, HasSubstr("'framework' is no line"));
  }
  finish(a_);
  EXPECT_EQ(updates(), each_once());
}

}  // namespace
}  // namespace cardswap::test
