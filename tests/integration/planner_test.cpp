/// Method: a job that trains is planned for and moved between two agents, with caps and limits that
/// cannot be met. What counts is what the plan says, whether the job stood still or was slowed, and
/// what a later plan knows.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Planner : public ::testing::Test {
 protected:
  void start(std::vector<std::string> program) {
    program.insert(program.end(), {"--loss-log", log_.string()});
    a_.run_job("job", program);
    ASSERT_TRUE(within(30s, [&] { return a_.step_of("job") >= 3; })) << a_.log();
  }
  boost::json::object dry_run(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"migrate", "job", "--to", b_.at("cpu:0"), "--dry-run"});
    return a_.ask(more);
  }
  static boost::json::object of(const boost::json::object& plan, std::string_view strategy) {
    const auto predictions = plan.at("predictions").as_array();
    for (const auto& item : predictions) {
      if (item.at("strategy").as_string() == strategy) return item.as_object();
    }
    ADD_FAILURE() << "no prediction for " << strategy;
    return {};
  }

  TempDir dir_;
  Host a_{dir_.path() / "a", {.name = "a"}};
  Host b_{dir_.path() / "b", {.name = "b"}};
  std::filesystem::path log_ = dir_.path() / "losses";
};

TEST_F(Planner, PredictsReplayOnlyForAnOptimizerThatItKnows) {
  start({trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  const auto plan = dry_run();
  EXPECT_THAT(text(of(plan, "replay"), "reason"), HasSubstr("no optimizer step"));
  EXPECT_EQ(text(plan, "link_rate_from"), "assumed");
  EXPECT_NE(text(plan, "strategy"), "replay");
}

TEST_F(Planner, RemembersTheLinkThatAMigrationMeasured) {
  start({trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  const auto moved = a_.ask({"migrate", "job", "--to", b_.at("cpu:0")});
  ASSERT_EQ(text(moved, "result"), "ok");
  EXPECT_GT(number(moved, "predicted_downtime_ms"), 0);
  ASSERT_EQ(text(b_.ask({"migrate", "job", "--to", a_.at("cpu:0")}), "result"), "ok");
  const auto plan = dry_run();
  EXPECT_EQ(text(plan, "link_rate_from"), "measured by " + text(moved, "id"));
  EXPECT_GT(number(plan, "link_rate"), 0);
  EXPECT_EQ(text(dry_run({"--bandwidth", "50MiB/s"}), "link_rate_from"), "the cap");
}

TEST_F(Planner, AStopCopyBeyondTheLimitDoesNotStopTheJob) {
  start({trainer("plain_memory"), "--steps", "100000", "--step-ms", "5"});
  const auto refused = a_.command({"migrate", "job", "--to", b_.at("cpu:0"), "--strategy",
                                   "stop-copy", "--max-downtime", "1ms", "--bandwidth", "20MiB/s"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("1 ms are allowed"));
  EXPECT_THAT(refused.err, HasSubstr("hint: "));
  EXPECT_EQ(text(a_.job("job"), "state"), "running");
  const auto step = a_.step_of("job");
  EXPECT_TRUE(within(5s, [&] { return a_.step_of("job") > step + 10; }));
}

TEST_F(Planner, SlowsTheJobDownOnlyWhenAsked) {
  start({trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5", "--dirty-share", "0.9"});
  const auto syncing = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"migrate", "job", "--to", b_.at("cpu:0"), "--strategy", "rounds",
                               "--max-downtime", "1ms", "--detach"});
    const auto id = text(a_.ask(more), "id");
    EXPECT_TRUE(within(20s, [&] {
      return number(a_.ask({"status", id}).at("progress").as_object(), "rounds") >= 6;
    }));
    const auto seen = a_.ask({"status", id}).at("progress").as_object();
    EXPECT_EQ(a_.command({"cancel", id}).exit_code, 0);
    EXPECT_TRUE(within(10s, [&] { return text(a_.ask({"status", id}), "state") == "aborted"; }));
    EXPECT_EQ(text(a_.job("job"), "state"), "running");
    return number(seen, "throttle_pct");
  };
  EXPECT_EQ(syncing({}), 0);
  EXPECT_GE(syncing({"--auto-converge"}), 20);
  // A job that was released trains at its own pace again.
  const auto step = a_.step_of("job");
  EXPECT_TRUE(within(5s, [&] { return a_.step_of("job") > step + 100; }));
}

}  // namespace
}  // namespace cardswap::test
