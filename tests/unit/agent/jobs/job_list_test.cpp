#include "agent/jobs/job_list.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/support/refused_records.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class JobListTest : public ::testing::Test {
 protected:
  JobListTest() {
    config_.data_dir = dir_.path();
    config_.job_user = "trainer";
  }

  Instance& add(const std::string& name, InstanceState state) {
    auto& instance = jobs_.add({.name = name, .argv = {"/bin/true"}}, "cpu:0");
    jobs_.set_state(instance, state);
    jobs_.save(instance.job());
    return instance;
  }
  Instance& add_standby(const std::string& name, const std::string& uid) {
    return jobs_.add_standby({.name = name, .uid = uid, .argv = {"/bin/true"}},
                             {.migration = "m-1", .epoch = 2, .device = "cpu:0"});
  }
  /// The names that the journal has, as the next agent reads them.
  std::vector<std::string> on_disk() {
    JobList next(config_, journal_);
    next.load();
    std::vector<std::string> names;
    for (const auto& job : next.all()) names.push_back(job.name());
    return names;
  }

  /// The record of the one job that the journal has.
  Job& only_on_disk() {
    next_.emplace(config_, journal_);
    next_->load();
    EXPECT_EQ(next_->all().size(), 1U);
    return next_->instances().front()->job();
  }

  const test::TempDir dir_;
  asio::io_context context_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  std::optional<JobList> next_;
};

TEST_F(JobListTest, GivesOutAProcessWhileItsRecordIsThereAndSaysWhatBecameOfItAfterwards) {
  auto& standby = add_standby("gpt", "");
  EXPECT_EQ(&jobs_.at(standby.id()), &standby);
  try {
    (void)jobs_.at("another");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::source_lost);
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST_F(JobListTest, MakesAJobThatIsKnownByNameAndTokenAndIsOnDiskOnceItIsSaved) {
  auto& instance = jobs_.add({.name = "gpt", .argv = {"/bin/true"}}, "cpu:0");
  EXPECT_THAT(on_disk(), IsEmpty());
  jobs_.save(instance.job());
  EXPECT_THAT(on_disk(), ElementsAre("gpt"));
  EXPECT_EQ(instance.job().spec.user, "trainer");
  EXPECT_EQ(jobs_.find("gpt"), &instance.job());
  EXPECT_EQ(jobs_.by_instance(instance.id()), &instance);
  EXPECT_EQ(jobs_.by_token("gpt", instance.record().token), &instance);
  EXPECT_EQ(jobs_.by_token("another", instance.record().token), nullptr);
  EXPECT_EQ(jobs_.by_token("gpt", ""), nullptr);
  jobs_.set_state(instance, InstanceState::ended);
  EXPECT_EQ(jobs_.by_token("gpt", instance.record().token), nullptr)
      << "what is over has no runtime";
}

TEST_F(JobListTest, ChangesAStateThatTheDiskRefuses) {
  auto& instance = add("gpt", InstanceState::starting);
  const test::RefusedRecords refused(dir_.path() / "j.db", "job");
  EXPECT_THROW(jobs_.save(instance.job()), Error);
  EXPECT_NO_THROW(jobs_.set_state(instance, InstanceState::running));
  EXPECT_EQ(instance.state(), InstanceState::running);
}

TEST_F(JobListTest, NeverFindsAStandbyByTheNameOfItsJob) {
  add_standby("gpt", "u-1");
  EXPECT_EQ(jobs_.find("gpt"), nullptr);
  EXPECT_EQ(jobs_.instances().size(), 1U);
}

/// The source of a move within one host: both are of one uid.
TEST_F(JobListTest, PutsAGrantedStandbyInThePlaceOfItsSource) {
  auto& source = add("gpt", InstanceState::running).job();
  auto& standby = add_standby("gpt", source.uid()).job();
  jobs_.promote(standby, 2);
  EXPECT_EQ(jobs_.find("gpt"), &standby);
  EXPECT_TRUE(source.superseded);
  EXPECT_FALSE(standby.standby);
  EXPECT_EQ(standby.migration, "") << "that one is at its source";
  EXPECT_EQ(standby.epoch, 2U);
  EXPECT_EQ(standby.first().state(), InstanceState::running);
  EXPECT_THAT(on_disk(), ElementsAre("gpt", "gpt"));
}

TEST_F(JobListTest, HasOnDiskInWhichMigrationAJobIs) {
  auto& job = add("gpt", InstanceState::running).job();
  jobs_.begin_migration(job, "m-1");
  EXPECT_EQ(only_on_disk().migration, "m-1");
  jobs_.end_migration(job);
  EXPECT_EQ(job.migration, "");
  EXPECT_EQ(only_on_disk().migration, "");
}

TEST_F(JobListTest, HasOnDiskUnderWhichEpochAJobGoesOnWhichIsNeverALowerOne) {
  auto& job = add("gpt", InstanceState::running).job();
  jobs_.raise_epoch(job, 3);
  EXPECT_EQ(only_on_disk().epoch, 3U);
  jobs_.raise_epoch(job, 2);
  EXPECT_EQ(job.epoch, 3U);
  EXPECT_EQ(only_on_disk().epoch, 3U);
}

TEST_F(JobListTest, NeverStartsAgainWhatIsHaltedOrWasAskedToEnd) {
  auto& halted = add("gpt", InstanceState::running).job();
  halted.spec.restart = RestartRule::on_failure;
  JobList::note_halt(halted, 7);
  JobList::note_halt(halted, 6);
  EXPECT_EQ(halted.newer_epoch, 7U);
  EXPECT_EQ(halted.spec.restart, RestartRule::never);
  EXPECT_FALSE(halted.stop_asked);
  auto& stopped = add("cnn", InstanceState::running).job();
  stopped.spec.restart = RestartRule::on_failure;
  JobList::note_stop(stopped);
  EXPECT_TRUE(stopped.stop_asked);
  EXPECT_EQ(stopped.spec.restart, RestartRule::never);
  EXPECT_EQ(stopped.newer_epoch, 0U);
}

TEST_F(JobListTest, HasOnDiskWhereAJobHasMoved) {
  auto& instance = add("gpt", InstanceState::running);
  jobs_.mark_moved(instance, "gpu-b/cuda:0");
  const auto& left = only_on_disk().first();
  EXPECT_EQ(left.state(), InstanceState::moved);
  EXPECT_EQ(left.record().moved_to, "gpu-b/cuda:0");
}

TEST_F(JobListTest, KeepsAnotherJobOfThatNameThatLives) {
  auto& other = add("gpt", InstanceState::running).job();
  jobs_.promote(add_standby("gpt", "u-1").job(), 2);
  EXPECT_FALSE(other.superseded);
}

TEST_F(JobListTest, ForgetsWhatIsOverOfANameWithItsLogAndNothingElse) {
  auto& over = add("gpt", InstanceState::failed);
  add("cnn", InstanceState::failed);
  const std::filesystem::path log = over.record().log_path;
  std::filesystem::create_directories(log.parent_path());
  std::ofstream(log) << "its last words";
  auto& live = add("gpt", InstanceState::running);
  jobs_.forget("gpt");
  EXPECT_THAT(jobs_.instances(), Contains(&live));
  EXPECT_EQ(jobs_.all().size(), 2U);
  EXPECT_THAT(on_disk(), UnorderedElementsAre("gpt", "cnn"));
  EXPECT_TRUE(std::filesystem::exists(log)) << "the one that lives writes to the same";

  jobs_.set_state(live, InstanceState::ended);
  jobs_.forget("gpt");
  EXPECT_THAT(on_disk(), ElementsAre("cnn"));
  EXPECT_FALSE(std::filesystem::exists(log.parent_path()));
}

TEST_F(JobListTest, RemovesAJobWithTheLastOfItsInstances) {
  auto& first = add("gpt", InstanceState::running);
  auto& job = first.job();
  auto& second = job.instances.emplace_back(job);
  EXPECT_FALSE(jobs_.remove(first));
  EXPECT_EQ(&job.first(), &second);
  const auto id = job.id;
  EXPECT_TRUE(jobs_.remove(second));
  EXPECT_TRUE(jobs_.all().empty());
  jobs_.remove_record(id);
  EXPECT_THAT(on_disk(), IsEmpty());
}

}  // namespace
}  // namespace cardswap
