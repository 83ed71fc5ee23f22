/// Method: an agent, the real command, a protected trainer that logs each loss bit for bit. The
/// trainer is killed, its snapshots are damaged, its agent is killed with it; its record, the
/// events and the losses tell what became of it. Nobody restores anything by hand.

#include <algorithm>

#include "tests/integration/recovering_job.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Recovery = RecoveringJob;

TEST_F(Recovery, OfAKilledTrainerLosesNoMoreThanTheIntervalAndChangesNoLoss) {
  constexpr std::int64_t kEvery = 60;
  start_restarting("900");
  protect(std::to_string(kEvery), {"--keep", "all"});
  ASSERT_TRUE(has_snapshot(2)) << host_.log();
  const auto before = record_of(host_);
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  const auto after = record_of(host_);
  EXPECT_EQ(text(after, "uid"), text(before, "uid")) << "it is the same job";
  EXPECT_GT(number(after, "epoch"), number(before, "epoch"));
  EXPECT_GE(number(recovery_of(host_), "lost_steps"), 1);
  EXPECT_LE(number(recovery_of(host_), "lost_steps"), 2 * kEvery) << "what it takes to keep one";
  EXPECT_TRUE(has_event("recovering"));
  EXPECT_TRUE(has_event("recovered"));
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              AllOf(HasSubstr("recoveries: 1; the last from snapshot "),
                    HasSubstr("it ended by signal 9: "), HasSubstr(" steps were lost")));
  EXPECT_THAT(ask_over_unix(host_, {.target = "/metrics"}).content,
              AllOf(HasSubstr("cardswap_recoveries_total{job=\"job\"} 1"),
                    HasSubstr("cardswap_lost_steps_total{job=\"job\"} ")));
  EXPECT_TRUE(has_snapshot(last_number(host_) + 1)) << "it is protected as before" << host_.log();
  expect_the_undisturbed_end();
  expect_nothing_left();
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
}

TEST_F(Recovery, TakesTheNextOlderSnapshotWhereTheNewestIsDamaged) {
  start_restarting("600");
  const auto first = first_of_two_snapshots();
  damage_newest_pack();
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  EXPECT_TRUE(has_event("snapshot_skipped"));
  const auto recovery = recovery_of(host_);
  EXPECT_EQ(recovery.at("last").at("step"), first.at("migrated_at_step"));
  EXPECT_EQ(text(record_of(host_), "branch"),
            "from-" + boost::json::serialize(first.at("migrated_at_step")));
  expect_the_undisturbed_end();
}

TEST_F(Recovery, LeavesAJobFailedWhoseSnapshotsAreAllDamaged) {
  start_restarting(kMany);
  (void)first_of_two_snapshots();
  damage_the_packs();
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_event("recovery_failed")) << host_.log();
  const auto step = logged_step();
  const auto job = record_of(host_);
  EXPECT_EQ(text(job, "state"), "failed");
  EXPECT_THAT(text(job, "exit_text"), HasSubstr("none of its snapshots can be used"));
  EXPECT_EQ(text(job, "device"), "cpu:0");
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              AllOf(HasSubstr("not recovered: "), HasSubstr("hint: `cardswap history ")));
  EXPECT_EQ(logged_step(), step) << "it never begins at its first step";
  EXPECT_TRUE(host_.leftovers().empty());
  expect_undisturbed_so_far();
}

/// What a file system that is mounted a moment later does.
TEST_F(Recovery, AsksAStoreAgainThatIsAwayForAMoment) {
  start_restarting("600");
  (void)first_of_two_snapshots();
  std::filesystem::rename(path("store"), path("away"));
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  EXPECT_TRUE(within(30s, [&] {
    return host_.log().find("a store cannot be asked, try 1 of 3") != std::string::npos;
  })) << host_.log();
  std::filesystem::rename(path("away"), path("store"));
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  EXPECT_EQ(text(recovery_of(host_), "state"), "recovered");
  expect_the_undisturbed_end();
}

TEST_F(Recovery, BeginsAJobAnewThatHasNoSnapshotYetAndSaysSo) {
  start_restarting(kMany);
  std::ofstream(path("file")).put('\n');
  protect("50", {}, "file:" + path("file/store"));
  ASSERT_TRUE(within(30s, [&] { return failures() >= 1; })) << host_.log();
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  EXPECT_TRUE(has_event("begins_anew")) << host_.log();
  EXPECT_TRUE(trains_on()) << host_.log();
  EXPECT_EQ(text(record_of(host_), "state"), "running");
  expect_undisturbed_so_far();
}

TEST_F(Recovery, OfAResumedJobThatIsNotProtected) {
  start_restarting("600");
  const auto taken = snapshot();
  (void)host_.ask({"stop", "job"});
  run_restarting({"--resume", "latest", "--store", store()});
  ASSERT_TRUE(trains_on()) << host_.log();
  trainer_ = static_cast<int>(number(record_of(host_), "pid"));
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  EXPECT_EQ(recovery_of(host_).at("last").at("step"), taken.at("migrated_at_step"));
  expect_the_undisturbed_end();
}

TEST_F(Recovery, IsDoneByTheNextAgentWhereTheAgentIsKilledToo) {
  start_restarting("600");
  protect("60");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  host_.kill_agent(SIGKILL);
  ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
  host_.start_agent();
  ASSERT_TRUE(has_recovered(1)) << host_.log();
  expect_the_undisturbed_end();
}

TEST_F(Recovery, OfAJobThatFailsAgainAndAgainHasAnEnd) {
  start_restarting(kMany);
  protect("20");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  int recoveries = 0;
  while (recoveries < 10) {
    ASSERT_EQ(::kill(trainer_, SIGKILL), 0);
    if (!within(60s, [&] { return has_recovered_now(recoveries + 1) || has_given_up(); })) break;
    if (has_given_up()) break;
    ++recoveries;
    ASSERT_TRUE(takes_steps()) << host_.log();
    trainer_ = static_cast<int>(number(record_of(host_), "pid"));
  }
  EXPECT_EQ(recoveries, 5) << host_.log();
  EXPECT_TRUE(has_event("recovery_failed"));
  EXPECT_THAT(host_.log(), HasSubstr("is not started again: it was 5 times already"));
  expect_undisturbed_so_far();
}

TEST_F(Recovery, DoesNotFollowAStop) {
  start_restarting(kMany);
  protect("50");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  (void)host_.ask({"stop", "job", "--grace", "0s"});
  EXPECT_EQ(text(record_of(host_), "state"), "stopped");
  EXPECT_TRUE(recovery_of(host_).empty()) << "nobody wanted it to go on";
  expect_nothing_left();
}

}  // namespace
}  // namespace cardswap::test
