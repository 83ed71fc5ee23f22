/// Method: a host whose jobs train is emptied by `cardswap drain --policy snapshot-only`; what its
/// table says is then typed, and the losses are those of a run that was never disturbed.

#include <set>

#include "tests/integration/recovering_job.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DrainToStores : public RecoveringJob {
 protected:
  [[nodiscard]] Outcome drain(const Words& more = {}) const {
    Words all{"drain", "127.0.0.1:" + std::to_string(host_.port()), "--policy", "snapshot-only"};
    all.insert(all.end(), more.begin(), more.end());
    return host_.command(all);
  }
};

TEST_F(DrainToStores, KeepsEachJobStopsItAndSaysHowToStartItAgain) {
  start({}, "500");
  protect("1h");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  const auto looked = drain({"--dry-run"});
  EXPECT_EQ(looked.exit_code, 0) << looked.err;
  EXPECT_THAT(looked.out, AllOf(HasSubstr(store()), HasSubstr("cardswap restore job@latest")));
  EXPECT_TRUE(trains_on()) << "a dry run touches nothing";

  const auto drained = drain({"-o", "json"});
  ASSERT_EQ(drained.exit_code, 0) << drained.err << host_.log();
  const auto answer = boost::json::parse(drained.out).as_object();
  EXPECT_EQ(text(answer, "result"), "all");
  const auto row = answer.at("jobs").as_array().at(0).as_object();
  EXPECT_EQ(text(row, "result"), "stored");
  const auto step = boost::json::serialize(history().at(0).at("step"));
  EXPECT_THAT(text(row, "note"), HasSubstr("cardswap restore job@" + step + " --store " + store()));
  EXPECT_EQ(text(record_of(host_), "state"), "stopped");
  expect_nothing_left();

  EXPECT_EQ(host_.command({"uncordon", "127.0.0.1:" + std::to_string(host_.port())}).exit_code, 0);
  const auto back = restored("job@" + step);
  EXPECT_EQ(text(back, "result"), "ok") << host_.log();
  expect_the_undisturbed_end();
}

TEST_F(DrainToStores, IsRefusedByNameBeforeAnythingIsTouched) {
  start({}, kMany);
  const auto refused = drain();
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("no store is known for job"),
                                 HasSubstr("cardswap protect job --every")));
  EXPECT_THAT(host_.command({"devices"}).out, Not(HasSubstr("cordoned")));
  EXPECT_TRUE(trains_on()) << host_.log();
}

TEST_F(DrainToStores, LeavesAJobTrainingWhoseLastSnapshotFails) {
  start({}, kMany);
  std::ofstream(path("file")).put('\n');
  protect("1h", {}, "file:" + path("file/store"));
  const auto drained = drain();
  EXPECT_EQ(drained.exit_code, 1) << drained.out;
  EXPECT_THAT(drained.out, AllOf(HasSubstr("failed"), HasSubstr("it trains on")));
  EXPECT_TRUE(trains_on()) << host_.log();
}

/// Method: what is drained is played, and breaks off its first answer to each call, as an agent
/// does that is restarted.
TEST_F(DrainToStores, IsNotEndedByAnAgentThatRestartsMeanwhile) {
  std::set<std::string> lost;
  const ScriptedPeer restarts([&lost](const ScriptedPeer::Asked& asked) -> ScriptedPeer::Answer {
    const bool may_restart = asked.target != "/v1/jobs" && asked.target != "/v1/version" &&
                             asked.method + asked.target != "POST/v1/cordon";
    if (may_restart && lost.insert(asked.method + asked.target).second) {
      return {.body = "{}", .cut_after = 0};
    }
    if (asked.target == "/v1/jobs") {
      return {R"({"jobs": [{"name": "job", "device": "cpu:0", "state": "running",
                            "protection": {"store": "file:/kept"}}]})"};
    }
    if (asked.target == "/v1/jobs/job/stop") return {R"({"step": 7})"};
    if (asked.target == "/v1/migrations") return {R"({"id": "m-00000001"})"};
    if (asked.target == "/v1/migrations/m-00000001") {
      return {R"({"id": "m-00000001", "result": "stored", "migrated_at_step": 7})"};
    }
    return {R"({"host": "gpu-a", "cordons": []})"};
  });
  const auto drained =
      host_.command({"drain", restarts.address(), "--policy", "snapshot-only", "-o", "json"});
  EXPECT_EQ(drained.exit_code, 0) << drained.out << drained.err;
  EXPECT_THAT(drained.out, HasSubstr("cardswap restore job@7 --store file:/kept"));
  EXPECT_THAT(lost, ::testing::SizeIs(4)) << "that is what it was to get over";
}

TEST_F(DrainToStores, AStopTakesALastSnapshotOnRequest) {
  start({}, kMany);
  EXPECT_THAT(host_.command({"stop", "job", "--snapshot"}).err, HasSubstr("--to file:/FOLDER"));
  protect("1h");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  const auto stopped = host_.command({"stop", "job", "--snapshot"});
  ASSERT_EQ(stopped.exit_code, 0) << stopped.err << host_.log();
  const auto step = boost::json::serialize(history().at(0).at("step"));
  EXPECT_THAT(stopped.err, HasSubstr("cardswap restore job@" + step));
  EXPECT_EQ(text(record_of(host_), "state"), "stopped");
  EXPECT_GE(history().size(), 2U);

  const auto before = std::chrono::steady_clock::now();
  const auto over = host_.command({"stop", "job", "--snapshot", "--to", store()});
  EXPECT_NE(over.exit_code, 0) << over.out;
  EXPECT_LT(std::chrono::steady_clock::now() - before, 30s) << "there is nothing to wait for";
}

}  // namespace
}  // namespace cardswap::test
