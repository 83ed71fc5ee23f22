/// Method: `cardswap migrate --dry-run` and then the migration itself, with the same words, of jobs
/// and to places that must be refused. Both end with the same code and say the same.

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "tests/support/leftovers.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class DryRun : public ::testing::Test {
 protected:
  void start(std::vector<std::string> program, std::vector<std::string> how = {}) {
    std::vector<std::string> arguments{"run", "--name", "job"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), program.begin(), program.end());
    (void)a_.ask(arguments);
  }
  void start_trainer(const std::string& path, std::vector<std::string> how = {}) {
    start({path, "--steps", "1000000", "--step-ms", "5"}, std::move(how));
    ASSERT_TRUE(within(10s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  /// A copy of the trainer that can be taken away.
  std::string copied_trainer() {
    const auto copy = dir_.path() / "trainer";
    std::filesystem::copy_file(trainer("plain_memory"), copy);
    return copy.string();
  }
  void expect_both_refused(const std::string& to, const std::string& why,
                           const std::string& what_to_do) {
    for (const bool dry : {true, false}) {
      SCOPED_TRACE(dry ? "dry run" : "migration");
      std::vector<std::string> arguments{"migrate", "job", "--to", to};
      if (dry) arguments.emplace_back("--dry-run");
      const auto outcome = a_.command(arguments);
      EXPECT_EQ(outcome.exit_code, 3);
      EXPECT_THAT(outcome.out + outcome.err, HasSubstr(why));
      EXPECT_THAT(outcome.out + outcome.err, HasSubstr("hint: "));
      EXPECT_THAT(outcome.out + outcome.err, HasSubstr(what_to_do));
    }
    EXPECT_EQ(b_.leftovers(), "");
  }

  TempDir dir_;
  NothingOutlives guard_{dir_.path()};
  Host b_{dir_.path() / "b", {.name = "gpu-b", .devices = {"cpu:0", "cpu:1,memory=1MiB"}}};
  Host a_{dir_.path() / "a",
          {.name = "gpu-a", .more = {"--peer", "127.0.0.1:" + std::to_string(b_.port())}}};
};

TEST_F(DryRun, RefusesAJobWithoutARuntime) {
  start({"sleep", "1000"});
  expect_both_refused(b_.at("cpu:0"), "has no Cardswap runtime attached", "cardswap::Session");
}

TEST_F(DryRun, RefusesAJobBeforeItsFirstBoundary) {
  start({trainer("plain_memory"), "--steps", "10", "--step-ms", "600000"});
  ASSERT_TRUE(within(10s, [&] { return text(a_.job("job"), "state") == "running"; }));
  expect_both_refused(b_.at("cpu:0"), "has not passed a step boundary yet", "first step");
}

TEST_F(DryRun, RefusesAProgramThatIsNotThere) {
  const auto program = copied_trainer();
  start_trainer(program);
  std::filesystem::remove(program);
  expect_both_refused(b_.at("cpu:0"), "No such file", "install the program");
}

TEST_F(DryRun, RefusesAFolderThatIsNotThere) {
  const auto folder = dir_.path() / "work";
  std::filesystem::create_directory(folder);
  start_trainer(trainer("plain_memory"), {"--cwd", folder.string()});
  std::filesystem::remove(folder);
  expect_both_refused(b_.at("cpu:0"), "go to " + folder.string(), "make that folder");
}

TEST_F(DryRun, RefusesAProgramThatItsUserMayNotExecute) {
  if (::geteuid() != 0) return skip_without("root", "only root can start a job as another user");
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0711));
  const auto program = copied_trainer();
  std::filesystem::permissions(program, std::filesystem::perms(0755));
  start_trainer(program, {"--user", "nobody", "--cwd", "/"});
  std::filesystem::permissions(program, std::filesystem::perms(0700));
  expect_both_refused(b_.at("cpu:0"), "as nobody: Permission denied", "right to execute");
}

TEST_F(DryRun, RefusesWhatHasNoRoomWithThatCause) {
  start_trainer(trainer("plain_memory"));
  expect_both_refused(b_.at("cpu:1"), "1.0 MiB free on cpu:1", "--to another device");
  expect_both_refused(b_.at("cpu:7"), "no device cpu:7 on gpu-b", "--to another device");
}

TEST_F(DryRun, RefusesThePlaceWhereTheJobIs) {
  start_trainer(trainer("plain_memory"));
  for (const auto& to : {a_.at("cpu:0"), "localhost:" + std::to_string(a_.port()) + "/cpu:0",
                         std::string("gpu-a/cpu:0"), std::string("GPU-A/cpu:0")}) {
    expect_both_refused(to, "it is there already", "--to another device");
  }
  EXPECT_TRUE(a_.ask({"status"}).at("migrations").as_array().empty());
}

TEST_F(DryRun, SaysWithItsExitCodeThatNothingFits) {
  start_trainer(trainer("plain_memory"));
  const std::vector<std::string> narrow{"migrate",     "job",      "--to",     b_.at("cpu:0"),
                                        "--bandwidth", "64Kbit/s", "--dry-run"};
  const auto outcome = a_.command(narrow);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.out, HasSubstr("at most"));
  EXPECT_THAT(outcome.out, HasSubstr("would be tried"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("would be used")));
  EXPECT_THAT(outcome.out,
              HasSubstr("nothing is sure to keep a step of the job for at most 300 ms"));
  auto as_json = narrow;
  as_json.insert(as_json.begin(), {"-o", "json"});
  const auto plan = boost::json::parse(a_.command(as_json).out).as_object();
  EXPECT_TRUE(plan.at("allowed").as_bool());
  EXPECT_FALSE(plan.at("fits").as_bool());

  const auto wide = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
  EXPECT_EQ(wide.exit_code, 0);
  EXPECT_THAT(wide.out, HasSubstr("would be used"));
}

TEST_F(DryRun, HasNoFiguresForAStrategyThatCannotBeUsed) {
  start_trainer(trainer("plain_memory"));
  const auto outcome = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
  EXPECT_THAT(outcome.out,
              ::testing::ContainsRegex("replay +- +- +- +- +- +no +no optimizer step"));
}

TEST_F(DryRun, TakesAHostByTheNameThatJobsPrints) {
  start_trainer(trainer("plain_memory"));
  EXPECT_EQ(a_.command({"migrate", "job", "--to", "gpu-b/cpu:0", "--dry-run"}).exit_code, 0);
  const auto moved = a_.ask({"migrate", "job", "--to", "gpu-b/cpu:0", "--max-downtime", "none"});
  EXPECT_EQ(text(moved, "state"), "completed");
  EXPECT_EQ(text(b_.job("job"), "state"), "running");
}

TEST_F(DryRun, SaysWhatToWriteWhereAHostsNameIsNotKnown) {
  start_trainer(trainer("plain_memory"));
  const auto outcome = a_.command({"migrate", "job", "--to", "no-such-host.invalid/cpu:0"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("no-such-host.invalid"));
  EXPECT_THAT(outcome.err, HasSubstr("--peer"));
}

TEST_F(DryRun, RefusesALimitOfNothing) {
  start_trainer(trainer("plain_memory"));
  for (const auto& [flag, value] :
       std::vector<std::pair<std::string, std::string>>{{"--max-downtime", "0ms"},
                                                        {"--max-downtime", "0.1ms"},
                                                        {"--bandwidth", "0"},
                                                        {"--bandwidth", "0MiB/s"},
                                                        {"--timeout", "0s"},
                                                        {"--max-rounds", "0"}}) {
    SCOPED_TRACE(flag + " " + value);
    const auto outcome = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), flag, value});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("none"));
  }
}

}  // namespace
}  // namespace cardswap::test
