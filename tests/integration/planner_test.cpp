/// Method: a job that trains is planned for and moved between two agents, with caps and limits that
/// cannot be met. What counts is what the plan says, whether the job stood still or was slowed, and
/// what a later plan knows.

#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <vector>

#include "tests/support/hosts.h"
#include "tests/support/needs.h"
#include "tests/support/trainer_times.h"

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

/// Method: a job goes to and fro by stop-copy, until three moves of the one route are known; what
/// they were is told by the job's runtimes, ten steps after each. Those after the first are
/// corrected, the fourth by a dry run and by the move itself, and so it is by an agent that was
/// restarted.
TEST_F(Planner, CorrectsAPredictionByWhatEarlierMovesWere) {
  start({trainer("plain_memory"), "--steps", "1000000", "--step-ms", "5"});
  // The link decides what is predicted, and not what else the machine does: moves that are
  // predicted three times apart do not correct each other.
  const std::vector<std::string> capped{"--bandwidth", "50MiB/s"};
  const auto move = [&](Host& from, Host& to) {
    const auto steps = from.step_of("job");
    EXPECT_TRUE(within(20s, [&] { return from.step_of("job") >= steps + 70; })) << from.log();
    const auto id = text(from.ask({"migrate", "job", "--to", to.at("cpu:0"), "--strategy",
                                   "stop-copy", "--max-stall", "none", capped[0], capped[1]}),
                         "id");
    EXPECT_TRUE(within(20s, [&] {
      return from.ask({"status", id}).at("lost_is_final").as_bool();
    })) << from.log();
    return from.ask({"status", id});
  };
  std::vector<double> ratios{1};  // the prediction itself
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(number(of(dry_run(capped), "stop-copy"), "predicted_from_moves"), i);
    const auto there = move(a_, b_);
    EXPECT_EQ(number(there, "predicted_from_moves"), i);
    if (i == 0) {
      EXPECT_EQ(number(there, "predicted_stall_ms"), number(there, "predicted_stall_raw_ms"));
    }
    ratios.push_back(number(there, "stall_ms") / number(there, "predicted_stall_raw_ms"));
    move(b_, a_);
  }
  std::ranges::sort(ratios);
  const auto factor = std::clamp((ratios[1] + ratios[2]) / 2, 0.25, 4.0);
  const auto expect_corrected = [&](const boost::json::object& said) {
    EXPECT_EQ(number(said, "predicted_from_moves"), 3);
    EXPECT_NEAR(number(said, "predicted_stall_ms") / number(said, "predicted_stall_raw_ms"), factor,
                1e-6);
    EXPECT_GE(number(said, "predicted_lost_ms"), number(said, "predicted_stall_ms"));
  };
  expect_corrected(of(dry_run(capped), "stop-copy"));
  EXPECT_EQ(number(of(dry_run(capped), "rounds"), "predicted_from_moves"), 0) << "another strategy";
  a_.kill_agent(SIGTERM);
  a_.start_agent();
  ASSERT_TRUE(within(20s, [&] { return a_.step_of("job") > 0; })) << a_.log();
  expect_corrected(of(dry_run(capped), "stop-copy"));
  expect_corrected(move(a_, b_));
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

/// A GPT with AdamW in float32, over a cap that its state takes a given number of steps. What a
/// step waited is told by the trainers' own clock.
class JobsLateness : public Planner {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(trainer("gpt"))) skip_without("torch", "built without LibTorch");
  }
  void start_gpt(int layers, int width) {
    start({trainer("gpt"), "--text", LICENSE_FILE, "--layers", std::to_string(layers), "--width",
           std::to_string(width), "--steps", "1000000", "--times", times_.string()});
    ASSERT_TRUE(within(60s, [&] { return a_.step_of("job") >= 12; })) << a_.log();
    const auto plan = dry_run();
    step_ms_ = number(plan, "step_ms");
    state_bytes_ = number(plan, "state_bytes");
  }
  [[nodiscard]] std::string steps(double count) const {
    return std::to_string(static_cast<int>(count * step_ms_)) + "ms";
  }
  std::vector<std::string> migrate(double r, const std::string& limit,
                                   std::vector<std::string> more = {}) {
    std::vector<std::string> ask{"migrate", "job", "--to", b_.at("cpu:0"), "--compress", "off"};
    ask.insert(
        ask.end(),
        {"--max-stall", limit, "--bandwidth",
         std::to_string(static_cast<long>(state_bytes_ / (r * step_ms_ / 1e3) / 1024)) + "KiB/s",
         "--timeout", "60s"});
    ask.insert(ask.end(), more.begin(), more.end());
    return ask;
  }
  /// From when its state began to go over, in ms, once a few steps came after the one at which the
  /// job is now.
  double longest_wait_ms(const Host& where) {
    const auto last = where.step_of("job") + 4;
    EXPECT_TRUE(within(60s, [&] { return where.step_of("job") >= last + 2; })) << where.log();
    const auto migration = a_.ask({"status"}).at("migrations").as_array().at(0).as_object();
    return step_ms_ * lateness(begins(times_), sync_began_ms(migration), last, step_ms_).stall;
  }

  std::filesystem::path times_ = dir_.path() / "times";
  double step_ms_ = 0;
  double state_bytes_ = 0;
};

TEST_F(JobsLateness, IsLeastByReplayWhereTheLinkCarriesTheGradients) {
  start_gpt(2, 128);
  const auto moved = a_.ask(migrate(2, "none"));
  EXPECT_EQ(text(moved.at("progress").as_object(), "strategy"), "replay");
  EXPECT_GT(number(moved, "predicted_stall_ms"), 0);
  EXPECT_GE(number(moved, "predicted_lost_ms"), number(moved, "predicted_stall_ms"));
}

TEST_F(JobsLateness, IsLeastByOneStopWhereTheGradientsAloneTakeManySteps) {
  start_gpt(2, 128);
  const auto plan = a_.ask(migrate(20, "none", {"--dry-run"}));
  EXPECT_EQ(text(plan, "strategy"), "stop-copy")
      << "rounds would spare a buffer, and send all twice";
  EXPECT_GT(number(of(plan, "replay"), "predicted_lost_ms"),
            2 * number(of(plan, "stop-copy"), "predicted_lost_ms"));
  const auto moved = a_.ask(migrate(20, "none"));
  EXPECT_THAT(text(moved.at("progress").as_object(), "strategy"),
              ::testing::AnyOf("stop-copy", "rounds"));
}

TEST_F(JobsLateness, OfAnyStepIsWithinTheLimitUnderReplayToo) {
  start_gpt(4, 256);
  // Gradients take two steps: as fast as it can, replay would keep a step for four and more.
  const auto moved = a_.ask(migrate(6, steps(3.5), {"--strategy", "replay"}));
  EXPECT_EQ(text(moved.at("progress").as_object(), "strategy"), "replay");
  EXPECT_LE(longest_wait_ms(b_), 3.5 * step_ms_);
}

TEST_F(JobsLateness, BeyondTheLimitIsRefusedBeforeAStepHasWaited) {
  start_gpt(4, 256);  // a limit of steps that is far above what another program costs one
  const auto refused = a_.command(migrate(20, steps(3), {"--strategy", "replay"}));
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(refused.err, HasSubstr("replay would keep a step of the job for"));
  EXPECT_THAT(refused.err, HasSubstr("hint: allow more with --max-stall"));
  EXPECT_LE(longest_wait_ms(a_), 3 * step_ms_);
}

}  // namespace
}  // namespace cardswap::test
