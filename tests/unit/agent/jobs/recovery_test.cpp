#include "agent/jobs/recovery.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/jobs/job.h"
#include "agent/jobs/job_list.h"
#include "migrator/base/error.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RecoveryNotes owed() {
  RecoveryNotes notes;
  notes.state = RecoveryState::pending;
  notes.reason = "it ended by signal 9";
  notes.device = "cuda:1";
  notes.state_bytes = 5;
  notes.last_step = 441;
  notes.tries = 2;
  notes.number = 7;
  notes.step = 400;
  notes.store = "file:/s";
  notes.recovered = 1;
  notes.lost_steps_total = 9;
  notes.error = "an older one";
  return notes;
}

TEST(RecoveryNotes, AreReadFromTheJournalAsTheyWereWritten) {
  const auto back = recovery_notes_from_journal(to_journal(owed()));
  EXPECT_EQ(to_journal(back), to_journal(owed()));
  EXPECT_TRUE(back.is_pending());
  EXPECT_EQ(back.last_step, 441U);
}

TEST(RecoveryNotes, OfAnOlderReleaseHaveTheStateThatFollowsFromThem) {
  const auto state_of = [](boost::json::object record) {
    return recovery_notes_from_journal(record).state;
  };
  EXPECT_EQ(state_of({}), RecoveryState::none);
  EXPECT_EQ(state_of({{"is_pending", true}, {"recovered", 1}}), RecoveryState::pending);
  EXPECT_EQ(state_of({{"is_pending", false}, {"recovered", 1}}), RecoveryState::recovered);
  EXPECT_EQ(state_of({{"recovered", 1}, {"error", "none"}}), RecoveryState::failed);
}

TEST(RecoveryNotes, CountTheStepsThatNoSnapshotHadOnceTheProgramHasTakenOne) {
  const auto arriving = notes_on_arrival(owed());
  EXPECT_EQ(arriving.state, RecoveryState::arriving);
  EXPECT_EQ(arriving.recovered, 1U) << "its program may end before its first step";
  const auto done = notes_when_recovered(arriving, 99);
  EXPECT_EQ(done.state, RecoveryState::recovered);
  EXPECT_EQ(done.recovered, 2U);
  EXPECT_EQ(done.lost_steps, 41U);
  EXPECT_EQ(done.lost_steps_total, 50U);
  EXPECT_EQ(done.at_ms, 99);
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(notes_when_recovered(done, 100).recovered, 2U) << "it is counted once";
  EXPECT_EQ(lost_between(3, 5), 0U) << "the agent had heard of fewer steps than were kept";
}

TEST(RecoveryNotes, OfAJobThatOnlyMovesCountNothing) {
  auto not_owed = owed();
  not_owed.state = RecoveryState::recovered;
  EXPECT_EQ(notes_on_arrival(not_owed).state, RecoveryState::recovered);
  auto not_begun = owed();
  not_begun.number = 0;
  EXPECT_EQ(notes_on_arrival(not_begun).state, RecoveryState::dropped) << "it has moved, alive";
}

TEST(RecoveryNotes, AreShownOnceThereWasARecovery) {
  EXPECT_TRUE(to_json(RecoveryNotes{}).is_null());
  const auto shown = to_json(notes_when_recovered(notes_on_arrival(owed()), 99)).as_object();
  EXPECT_EQ(shown.at("state"), "recovered");
  EXPECT_EQ(shown.at("pending"), false);
  EXPECT_EQ(shown.at("lost_steps").to_number<int>(), 41);
  EXPECT_EQ(shown.at("last").at("step").to_number<int>(), 400);
  EXPECT_TRUE(shown.at("error").is_null());
}

TEST(StoresOfAJob, AreThatOfItsProtectionAndThatOfItsStart) {
  JobSpec spec;
  EXPECT_THAT(stores_of(spec), IsEmpty());
  spec.fallback_store = "file:/b";
  EXPECT_THAT(stores_of(spec), ElementsAre("file:/b"));
  spec.protection = Protection{};
  spec.protection->store = "file:/a";
  EXPECT_THAT(stores_of(spec), ElementsAre("file:/a", "file:/b"));
  spec.fallback_store = "file:/a";
  EXPECT_THAT(stores_of(spec), ElementsAre("file:/a"));
}

TEST(AJob, HasASnapshotOnceOneIsKnown) {
  Job job;
  job.instances.emplace_back(job);
  job.spec.protection = Protection{};
  job.spec.protection->store = "file:/a";
  EXPECT_FALSE(has_snapshot(job)) << "an order is none";
  job.protection_notes.number = 1;
  EXPECT_TRUE(has_snapshot(job));
  job.protection_notes = {};
  job.spec.protection.reset();
  job.spec.fallback_store = "file:/b";
  EXPECT_FALSE(has_snapshot(job)) << "it began at its first step";
  job.spec.restored_from = "a manifest";
  EXPECT_TRUE(has_snapshot(job));
}

TEST(AnOrderedRecovery, NotesWhatTheCopyHad) {
  Job job;
  InstanceRecord had;
  had.device = "cuda:3";
  had.step = 17;
  had.state_bytes = 1000;
  job.instances.emplace_back(job, had);
  job.recovery.state = RecoveryState::begun_anew;
  job.recovery.tries = 2;
  JobList::order_recovery(job, "xid:79 on cuda:3");
  EXPECT_TRUE(job.recovery.is_pending());
  EXPECT_EQ(job.recovery.tries, 0U) << "those were of an earlier one";
  EXPECT_EQ(job.recovery.device, "cuda:3");
  EXPECT_EQ(job.recovery.last_step, 17U);
  EXPECT_EQ(job.recovery.state_bytes, 1000U);
  JobList::drop_recovery(job);
  EXPECT_EQ(job.recovery.state, RecoveryState::dropped);
}

TEST(AnOrderedRecovery, OfAProgramThatTookNoStepIsTheSameOneStill) {
  Job job;
  InstanceRecord had;
  had.device = "cuda:1";
  job.instances.emplace_back(job, had);
  job.recovery = notes_on_arrival(owed());
  JobList::order_recovery(job, "it ended with exit code 1");
  EXPECT_TRUE(job.recovery.is_pending());
  EXPECT_EQ(job.recovery.reason, "it ended by signal 9");
  EXPECT_EQ(job.recovery.last_step, 441U) << "so many are lost";
  EXPECT_EQ(job.recovery.tries, 3U);
  EXPECT_EQ(job.recovery.recovered, 1U);
}

TEST(AnOrderedRecovery, OfAProgramThatTookAStepIsAnother) {
  Job job;
  InstanceRecord had;
  had.device = "cuda:1";
  had.step = 402;
  job.instances.emplace_back(job, had);
  job.recovery = notes_on_arrival(owed());
  JobList::order_recovery(job, "it ended with exit code 1");
  EXPECT_EQ(job.recovery.reason, "it ended with exit code 1");
  EXPECT_EQ(job.recovery.last_step, 402U);
  EXPECT_EQ(job.recovery.tries, 0U);
  EXPECT_EQ(job.recovery.recovered, 2U) << "the one before is counted";
}

class RecoveriesThatAreGivenUp : public ::testing::Test {
 protected:
  RecoveriesThatAreGivenUp() {
    config_.data_dir = dir_.path();
    JobList::order_recovery(job(), "xid:79 on cuda:3");
  }
  Job& job() { return first_.job(); }
  const InstanceRecord& record() const { return first_.record(); }

  const test::TempDir dir_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  Instance& first_{jobs_.add({.name = "gpt", .argv = {"/bin/true"}}, "cuda:3")};
  const Error why_{Code::corrupt, "there is none"};
};

TEST_F(RecoveriesThatAreGivenUp, LeaveACopyThatRunsWhatItIs) {
  jobs_.give_up_recovery(job(), why_);
  EXPECT_EQ(job().recovery.state, RecoveryState::failed);
  EXPECT_EQ(job().recovery.error, "there is none");
  EXPECT_THAT(record().exit_text, IsEmpty());
}

TEST_F(RecoveriesThatAreGivenUp, SayWhyTheCopyStaysEnded) {
  JobList::note(first_, [](InstanceRecord& record) { record.device = kFromStore; });
  jobs_.give_up_recovery(job(), why_);
  EXPECT_EQ(record().device, "cuda:3") << "its snapshot sender lives for a moment";
  EXPECT_EQ(record().exit_text,
            "xid:79 on cuda:3; it could not go on from a snapshot: there is none");
}

TEST(AJobsRecord, KeepsWhatARecoveryNeeds) {
  Job job;
  job.id = "j-1";
  job.spec.name = "gpt";
  job.spec.fallback_store = "file:/b";
  job.spec.first_snapshot = 4;
  job.recovery = owed();
  job.instances.emplace_back(job);
  const Job back(to_journal(job));
  EXPECT_EQ(back.spec.fallback_store, "file:/b");
  EXPECT_EQ(back.spec.first_snapshot, 4U);
  EXPECT_TRUE(back.recovery.is_pending());
  const auto moved = job_spec_from([&] {
    auto body = to_json(job.spec);
    body["argv"] = {"/bin/train"};
    return body;
  }());
  EXPECT_EQ(moved.fallback_store, "file:/b") << "it goes along to another host";
  EXPECT_EQ(moved.first_snapshot, 4U);
}

}  // namespace
}  // namespace cardswap
