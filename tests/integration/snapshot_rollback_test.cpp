/// Method: as in snapshot_protect_test.cpp; the job goes back to a snapshot, by an operator's word
/// or because it was started again, and its losses are those of a run that was never disturbed.

#include <algorithm>

#include "tests/integration/protected_job.h"

namespace cardswap::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Rollback : public ProtectedJob {
 protected:
  static std::string step_in(const boost::json::object& taken) {
    return boost::json::serialize(taken.at("migrated_at_step"));
  }
  [[nodiscard]] Outcome roll_back(const std::string& step, const Words& more = {}) const {
    Words all{"-o", "json", "rollback", "job", "--to-step", step, "--store", store()};
    all.insert(all.end(), more.begin(), more.end());
    return host_.command(all);
  }
  [[nodiscard]] Words resumed(const std::string& from) const {
    Words all{"-o",       "json",   "run",     "--name", "job", "--env", "OMP_NUM_THREADS=1",
              "--resume", "latest", "--store", from,     "--"};
    all.insert(all.end(), program_.begin(), program_.end());
    all.insert(all.end(), {"--step-ms", "10", "--loss-log", log_.string()});
    return all;
  }
  [[nodiscard]] std::int64_t pid() const {
    return static_cast<std::int64_t>(number(record_of(host_), "pid"));
  }
};

TEST_F(Rollback, GoesOnFromThereAsAnotherBranch) {
  start({}, "500");
  const auto first = snapshot();
  const auto second = snapshot();
  const auto before = pid();
  const auto back = roll_back(step_in(first));
  ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
  const auto migration = boost::json::parse(back.out).as_object();
  EXPECT_EQ(text(migration, "result"), "ok");
  EXPECT_EQ(step_in(migration), step_in(first));
  EXPECT_NE(pid(), before);

  const auto third = snapshot();
  const auto all = history();
  ASSERT_THAT(all, SizeIs(3)) << "the old branch stays";
  const auto& newest = all.at(0).as_object();
  EXPECT_EQ(text(newest, "branch"), "from-" + step_in(first));
  EXPECT_EQ(newest.at("parents").as_array().at(0), first.at("manifest"));
  EXPECT_GT(number(newest, "epoch"), number(all.at(1).as_object(), "epoch"));
  EXPECT_EQ(text(all.at(1).as_object(), "branch"), "main");
  expect_the_undisturbed_end();
  EXPECT_EQ(host_.command({"verify", store()}).exit_code, 0);
}

TEST_F(Rollback, IsProtectedAsBefore) {
  start({}, kMany);
  protect("40", {"--keep", "all"});
  ASSERT_TRUE(has_snapshot(2)) << host_.log();
  const auto before = history();
  const auto& oldest = before.at(before.size() - 1).as_object();
  const auto step = boost::json::serialize(oldest.at("step"));
  const auto back = roll_back(step, {"--branch", "lr-halved"});
  ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
  EXPECT_EQ(number(protection_of(host_), "every_steps"), 40);
  EXPECT_EQ(text(record_of(host_), "branch"), "lr-halved");
  ASSERT_TRUE(within(60s, [&] {
    return text(history().at(0).as_object(), "branch") == "lr-halved";
  })) << host_.log();
  const auto all = history();
  boost::json::object first;  // of the new branch
  for (const auto& one : all) {
    if (text(one.as_object(), "branch") == "lr-halved") first = one.as_object();
  }
  EXPECT_EQ(first.at("parents").as_array().at(0), oldest.at("manifest"));
  end_protection();
  expect_undisturbed_so_far();
}

TEST_F(Rollback, OfAStepBeforeTheFirstSnapshotIsRefusedBeforeAnythingIsStopped) {
  start({}, kMany);
  const auto taken = snapshot();
  const auto before = pid();
  const auto back = roll_back("1");
  EXPECT_NE(back.exit_code, 0);
  EXPECT_THAT(back.err, AllOf(HasSubstr("no snapshot of job job at or before step 1"),
                              HasSubstr("the oldest is of step " + step_in(taken))));
  EXPECT_THAT(roll_back(step_in(taken), {"--branch", "main"}).err,
              HasSubstr("there is a branch main already"));
  EXPECT_EQ(pid(), before);
  EXPECT_TRUE(trains_on()) << host_.log();
}

TEST_F(Rollback, ToADamagedSnapshotIsRefusedBeforeAnythingIsStopped) {
  start({}, kMany);
  const auto taken = snapshot();
  const auto before = pid();
  ASSERT_NO_FATAL_FAILURE(damage_the_packs());
  const auto back = roll_back(step_in(taken));
  EXPECT_NE(back.exit_code, 0);
  EXPECT_THAT(back.err, HasSubstr("the snapshot of step " + step_in(taken) + " is damaged"));
  EXPECT_EQ(pid(), before);
  EXPECT_TRUE(trains_on()) << host_.log();
  expect_undisturbed_so_far();
}

TEST_F(Rollback, IsPossibleForAJobThatHasEnded) {
  start({}, "400");
  const auto taken = snapshot();
  kill_trainer();
  const auto back = roll_back(step_in(taken));
  ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
  expect_the_undisturbed_end();
}

TEST_F(Rollback, AResumedRunGoesOnFromTheLatest) {
  start({}, "400");
  (void)snapshot();
  const auto second = snapshot();
  kill_trainer();
  const auto back = host_.command(resumed(store()));
  ASSERT_EQ(back.exit_code, 0) << back.err << host_.log();
  EXPECT_EQ(step_in(boost::json::parse(back.out).as_object()), step_in(second));
  expect_the_undisturbed_end();
}

TEST_F(Rollback, AResumedRunNeverBeginsAnewWhereThereIsASnapshot) {
  start({}, kMany);
  (void)snapshot();
  kill_trainer();
  ASSERT_NO_FATAL_FAILURE(damage_the_packs());
  const auto damaged = host_.command(resumed(store()));
  EXPECT_NE(damaged.exit_code, 0) << damaged.out;
  EXPECT_THAT(damaged.err, HasSubstr("the snapshot could not be read"));
  const auto absent = host_.command(resumed("file:" + path("elsewhere")));
  EXPECT_NE(absent.exit_code, 0) << "its disk may not be mounted";
  for (const auto& one : std::filesystem::recursive_directory_iterator(path("store/jobs"))) {
    if (!one.is_regular_file()) continue;
    std::filesystem::permissions(one.path(), std::filesystem::perms::owner_all);
    std::ofstream(one.path()) << "{}";
  }
  const auto unreadable = host_.command(resumed(store()));
  EXPECT_NE(unreadable.exit_code, 0) << unreadable.out;
  EXPECT_THAT(unreadable.err, HasSubstr("the latest snapshot of job job cannot be used"));
  expect_nothing_left();
}

TEST_F(Rollback, AResumedRunBeginsAtItsFirstStepWhereThereNeverWasASnapshot) {
  start({}, kMany);
  (void)snapshot();
  const auto begun = host_.command({"run", "--name", "other", "--resume", "latest", "--store",
                                    store(), "--", trainer("plain_memory"), "--steps", "50"});
  EXPECT_EQ(begun.exit_code, 0) << begun.err;
  EXPECT_THAT(begun.err, HasSubstr("no snapshot of job other"));
  EXPECT_TRUE(host_.ended_within("other", 30s)) << host_.log();
}

}  // namespace
}  // namespace cardswap::test
