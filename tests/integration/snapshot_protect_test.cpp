/// Method: an agent, the real command, a trainer that logs each loss bit for bit. The agent is told
/// once to protect the job; then agents, trainers and disks are disturbed, and the store, the job's
/// record and the losses tell what became of it.

#include <algorithm>
#include <set>

#include "tests/faults/small_disk.h"
#include "tests/integration/protected_job.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class Protection : public ProtectedJob {
 protected:
  [[nodiscard]] int keeper() const {
    for (const int pid : processes_of(dir_.path())) {
      const auto line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
      if (line.substr(0, line.find('\0')).ends_with("cardswap-keeper")) return pid;
    }
    return 0;
  }
  [[nodiscard]] bool takes_a_snapshot_now() const {
    const auto all = host_.ask({"status"});
    return std::ranges::any_of(all.at("migrations").as_array(), [](const auto& one) {
      const auto* result = one.as_object().if_contains("result");
      return result != nullptr && result->is_null() && !text(one.as_object(), "store").empty();
    });
  }
  /// Stops a keeper, with which its snapshot can come to no end.
  void stop_a_keeper(int& stopped) const {
    ASSERT_TRUE(within(30s, [&] {
      stopped = keeper();
      if (stopped == 0 || ::kill(stopped, SIGSTOP) != 0) return false;
      if (takes_a_snapshot_now()) return true;
      (void)::kill(stopped, SIGCONT);
      return false;
    })) << host_.log();
  }
};

TEST_F(Protection, TakesASnapshotAtEachMultipleOfTheSteps) {
  constexpr std::int64_t kEvery = 100;
  start({}, "600");
  protect(std::to_string(kEvery), {"--keep", "all"});
  expect_the_undisturbed_end();
  expect_nothing_left();
  const auto all = history();
  EXPECT_GE(all.size(), 3U) << host_.log();
  std::set<std::int64_t> multiples;
  for (const auto& one : all) {
    const auto step = static_cast<std::int64_t>(number(one.as_object(), "step"));
    EXPECT_TRUE(multiples.insert(step / kEvery).second) << "two without a multiple between them";
  }
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
}

TEST_F(Protection, GoesOnWithAnotherAgent) {
  start({}, kMany);
  protect("50", {"--keep", "last=3"});
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  host_.kill_agent(SIGKILL);
  host_.start_agent();
  const auto protection = protection_of(host_);
  EXPECT_EQ(number(protection, "every_steps"), 50);
  EXPECT_EQ(text(protection, "keep"), "last=3");
  EXPECT_EQ(text(protection, "store"), store());
  const auto before = last_number(host_);
  EXPECT_GE(before, 1);
  EXPECT_TRUE(has_snapshot(before + 2)) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(Protection, LosesNoMoreStepsThanItsInterval) {
  constexpr std::int64_t kEvery = 80;
  start({}, "900");
  protect(std::to_string(kEvery));
  ASSERT_TRUE(has_snapshot(2)) << host_.log();
  kill_trainer();
  const auto reached = logged_step();
  const auto back = restored();
  EXPECT_EQ(text(back, "result"), "ok") << host_.log();
  EXPECT_LE(reached - static_cast<std::int64_t>(number(back, "migrated_at_step")), kEvery);
  expect_the_undisturbed_end();
}

TEST_F(Protection, IsByTimeToo) {
  start({}, kMany);
  protect("1s");
  ASSERT_TRUE(has_snapshot(3)) << host_.log();
  EXPECT_THAT(host_.command({"jobs", "job"}).out,
              AllOf(HasSubstr("protected every 1.0 s in " + store()), HasSubstr("snapshot ")));
  end_protection();
  const auto taken = history().size();
  const auto step = logged_step();
  ASSERT_TRUE(within(30s, [&] { return logged_step() > step + 150; }));
  EXPECT_THAT(history(), SizeIs(taken)) << "it was ended";
  expect_undisturbed_so_far();
}

TEST_F(Protection, TellsOfAFolderThatCannotBeWrittenAndRecovers) {
  start({}, kMany);
  std::ofstream(path("file")).put('\n');
  const auto to = "file:" + path("file/store");
  protect("50", {}, to);
  ASSERT_TRUE(within(30s, [&] { return failures() >= 1; })) << host_.log();
  EXPECT_TRUE(trains_on()) << host_.log();
  EXPECT_THAT(failure(), HasSubstr("Not a directory"));
  const auto shown = host_.command({"jobs", "job"}).out;
  EXPECT_THAT(shown, AllOf(HasSubstr("no snapshot: "), HasSubstr("in a row failed: ")));
  EXPECT_TRUE(has_event("protection_failed"));
  const auto metrics = ask_over_unix(host_, {.target = "/metrics"}).content;
  EXPECT_THAT(metrics, HasSubstr("cardswap_snapshots_failed_total{job=\"job\"} "));
  EXPECT_THAT(metrics, HasSubstr("cardswap_snapshots_taken_total{job=\"job\"} 0"));

  std::filesystem::remove(path("file"));
  EXPECT_TRUE(has_snapshot(1)) << host_.log();
  EXPECT_EQ(failures(), 0);
  EXPECT_EQ(failure(), "");
  EXPECT_TRUE(has_event("protection_back"));
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(Protection, TrainsOnWithAFullDiskAndRecovers) {
  if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
  SmallDisk disk(path("disk"));
  start({"--dirty-share", "0.1"}, kMany);
  protect("1s", {"--keep", "last=2", "--grace", "0s"}, "file:" + path("disk/store"));
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  end_protection();  // a snapshot that is pruned meanwhile would make room
  const auto before = static_cast<std::int64_t>(
      number(host_.ask({"history", "job", "--store", "file:" + path("disk/store")})
                 .at("snapshots")
                 .as_array()
                 .at(0)
                 .as_object(),
             "snapshot"));
  disk.fill();
  protect("1s", {"--keep", "last=2", "--grace", "0s"}, "file:" + path("disk/store"));
  ASSERT_TRUE(within(30s, [&] { return failures() >= 1; })) << host_.log();
  EXPECT_THAT(failure(), HasSubstr("No space left on device"));
  EXPECT_TRUE(trains_on()) << host_.log();
  disk.empty();
  EXPECT_TRUE(has_snapshot(before + 2)) << host_.log();
  EXPECT_EQ(failures(), 0);
  end_protection();
  EXPECT_EQ(host_.command({"verify", "file:" + path("disk/store"), "job"}).exit_code, 0);
  expect_undisturbed_so_far();
}

TEST_F(Protection, PrunesWhatNeedNotBeKept) {
  start({"--dirty-share", "0.1"}, kMany);
  (void)snapshot({"--tag", "first"});
  protect("30", {"--keep", "last=2", "--grace", "0s"});
  ASSERT_TRUE(has_snapshot(6)) << host_.log();
  // Two by the rule, the tagged one, and one that was published since the last prune.
  EXPECT_TRUE(within(30s, [&] { return history().size() <= 4; })) << host_.log();
  end_protection();
  EXPECT_TRUE(protection_of(host_).empty());
  EXPECT_EQ(host_.command({"verify", store(), "job"}).exit_code, 0);
  EXPECT_EQ(host_.command({"show", "job:first", "--store", store()}).exit_code, 0);
  expect_undisturbed_so_far();
}

TEST_F(Protection, MakesWayForAMove) {
  start({}, kMany);
  protect("20");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  int stopped = 0;
  ASSERT_NO_FATAL_FAILURE(stop_a_keeper(stopped));
  const auto before = last_number(host_);
  const auto moved = host_.ask({"migrate", "job", "--to", host_.at("cpu:1")});
  EXPECT_EQ(text(moved, "result"), "ok") << host_.log();
  EXPECT_THAT(host_.log(), HasSubstr("a snapshot that makes way"));
  EXPECT_TRUE(has_snapshot(before + 1)) << "it moved along: " << host_.log();
  EXPECT_THAT(host_.log(), Not(HasSubstr("no snapshot could be taken")));
  expect_undisturbed_so_far();
}

TEST_F(Protection, MakesNoWayForAMoveThatIsRefusedAtOnce) {
  start({}, kMany);
  protect("20");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  int stopped = 0;
  ASSERT_NO_FATAL_FAILURE(stop_a_keeper(stopped));
  const auto before = last_number(host_);
  const auto refused = host_.command({"migrate", "job", "--to", host_.at("cpu:0")});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("it is there already"));
  EXPECT_TRUE(takes_a_snapshot_now()) << host_.log();
  ASSERT_EQ(::kill(stopped, SIGCONT), 0);
  EXPECT_TRUE(has_snapshot(before + 1)) << host_.log();
  EXPECT_THAT(host_.log(), Not(HasSubstr("a snapshot that makes way")));
  expect_undisturbed_so_far();
}

TEST_F(Protection, MovesToAnotherHostWithItsJob) {
  const Host other(dir_.path() / "b", {.name = "b"});
  start({}, kMany);
  protect("50");
  ASSERT_TRUE(has_snapshot(1)) << host_.log();
  const auto moved = host_.ask({"migrate", "job", "--to", other.at("cpu:0")});
  ASSERT_EQ(text(moved, "result"), "ok") << host_.log();
  const auto there = protection_of(other);
  EXPECT_EQ(number(there, "every_steps"), 50);
  EXPECT_EQ(text(there, "store"), store());
  // The folder is the same here: the chain goes on under the epoch that the move has granted.
  EXPECT_TRUE(within(60s, [&] { return last_number(other) >= 2; })) << other.log();
  EXPECT_GT(number(history().at(0).as_object(), "epoch"), 1);
  EXPECT_TRUE(within(10s, [&] {
    return boost::json::serialize(other.ask({"events"})).find("protection_moved") !=
           std::string::npos;
  })) << other.log();
  (void)other.ask({"stop", "job"});
  expect_undisturbed_so_far();
}

TEST_F(Protection, IsRefusedWhereItCannotBeKept) {
  start({}, kMany);
  const auto refused = [&](const Words& more) {
    Words all{"protect", "job"};
    all.insert(all.end(), more.begin(), more.end());
    const auto said = host_.command(all);
    EXPECT_NE(said.exit_code, 0) << said.out;
    return said.err;
  };
  EXPECT_THAT(refused({"--every", "0", "--to", store()}),
              HasSubstr("100 (steps), 10m, auto or off"));
  EXPECT_THAT(refused({"--every", "10"}), HasSubstr("--to file:/FOLDER"));
  EXPECT_THAT(refused({"--every", "10", "--to", "s3:bucket"}), HasSubstr("address of a store"));
  EXPECT_THAT(refused({"--every", "10", "--to", store(), "--keep", "some"}),
              HasSubstr("last=5,hourly=24,daily=14"));
  const auto id = text(host_.ask({"migrate", "job", "--to", host_.at("cpu:1"), "--hold-at",
                                  "standby_ready", "--detach"}),
                       "id");
  EXPECT_THAT(refused({"--every", "10", "--to", store()}), HasSubstr("is in migration " + id));
  EXPECT_EQ(host_.command({"cancel", id}).exit_code, 0);
  EXPECT_TRUE(protection_of(host_).empty());
  expect_nothing_left();
}

}  // namespace
}  // namespace cardswap::test
