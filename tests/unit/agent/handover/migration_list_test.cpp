#include "agent/handover/source/migration_list.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/base/task_group.h"
#include "agent/base/units.h"
#include "agent/jobs/job.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using handover::SourceState;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MigrationListTest : public ::testing::Test {
 protected:
  MigrationListTest() { config_.host_name = "gpu-a"; }

  static Migration made(const std::string& id, SourceState state, const std::string& instance,
                        std::int64_t ended_at_ms = 0, Timeline samples = {}) {
    MigrationRecord record;
    record.id = id;
    record.side = handover::SourceSide({state, 2, 1});
    record.ended_at_ms = ended_at_ms;
    TransferRecord transfer;
    transfer.instance = instance;
    transfer.timeline = std::move(samples);
    return {std::move(record), {std::move(transfer)}};
  }
  MigrationList list() {
    return {config_,
            journal_,
            {.is_in_use = [this](const Migration& m) { return m.id() == worked_on_; },
             .forgetting = [this](const Migration& m) { forgotten_.push_back(m.id()); }}};
  }

  const test::TempDir dir_;
  asio::io_context context_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  std::string worked_on_;
  std::vector<std::string> forgotten_;
};

TEST_F(MigrationListTest, KnowsByWhichOneAProcessLeavesUntilThatIsOver) {
  auto all = list();
  auto& m = all.add(made("m-1", SourceState::planned, "i-1"));
  EXPECT_EQ(all.find_running("i-1"), &m);
  EXPECT_EQ(all.find_running("i-2"), nullptr);
  all.mark_ended(m);
  EXPECT_EQ(all.find_running("i-1"), nullptr);
  EXPECT_EQ(&all.at("m-1"), &m);
}

TEST_F(MigrationListTest, LetsAProcessLeaveByTheNextOneAlthoughTheLastIsNotedOverLate) {
  auto all = list();
  auto& first = all.add(made("m-1", SourceState::planned, "i-1"));
  auto& next = all.add(made("m-2", SourceState::planned, "i-1"));
  all.mark_ended(first);
  EXPECT_EQ(all.find_running("i-1"), &next);
}

TEST_F(MigrationListTest, HasWhatAFormerAgentLeft) {
  {
    auto former = list();
    former.add(made("m-1", SourceState::aborted, "i-1", 5));
    former.add(made("m-2", SourceState::syncing, "i-2"));
  }
  auto all = list();
  all.load();
  EXPECT_TRUE(all.has("m-1"));
  EXPECT_EQ(all.find_running("i-1"), nullptr) << "it is over";
  EXPECT_EQ(all.find_running("i-2"), &all.at("m-2"));
}

TEST_F(MigrationListTest, PutsARecordAsideWhoseStateCannotBeRead) {
  auto spoilt = to_journal(made("m-1", SourceState::committed, "i-1"));
  spoilt["state"] = "comitted";
  journal_.put(Journal::Kind::migration, "m-1", spoilt);
  journal_.put(Journal::Kind::migration, "m-2",
               to_journal(made("m-2", SourceState::syncing, "i-2")));
  auto all = list();
  all.load();
  EXPECT_FALSE(all.has("m-1")) << "nobody who asks is told that it is given up";
  EXPECT_EQ(all.find_running("i-1"), nullptr);
  EXPECT_TRUE(all.has("m-2"));
  EXPECT_THAT(journal_.warnings(),
              ElementsAre(AllOf(HasSubstr("migration m-1"), HasSubstr("its state"))));
  EXPECT_EQ(journal_.damaged_records(), 1U);
}

TEST_F(MigrationListTest, KnowsWhatStandsForARecordThatWasPutAside) {
  auto spoilt = to_journal(made("m-1", SourceState::in_doubt, "i-1"));
  spoilt["state"] = "in_dubt";
  journal_.put(Journal::Kind::migration, "m-1", spoilt);
  journal_.put(Journal::Kind::migration, "m-2",
               to_journal(made("m-2", SourceState::syncing, "i-2")));
  auto all = list();
  all.load();
  Job job;
  EXPECT_FALSE(all.has_lost_the_record_of(job)) << "it is in no migration";
  job.migration = "m-2";
  EXPECT_FALSE(all.has_lost_the_record_of(job));
  job.migration = "m-1";
  EXPECT_TRUE(all.has_lost_the_record_of(job));
  job.newer_epoch = 7;
  EXPECT_FALSE(all.has_lost_the_record_of(job)) << "where it is, is known";
  job.newer_epoch = 0;
  job.standby = true;
  EXPECT_FALSE(all.has_lost_the_record_of(job)) << "its record is another's";
}

TEST_F(MigrationListTest, FindsAllOfAProcessInTheirOrderUntilTheyAreForgotten) {
  auto all = list();
  auto& first = all.add(made("m-1", SourceState::aborted, "i-1", 5));
  all.add(made("m-2", SourceState::syncing, "i-2"));
  auto& latest = all.add(made("m-3", SourceState::syncing, "i-1"));
  EXPECT_THAT(all.items_of("i-1"), ElementsAre(&first, &latest));
  EXPECT_THAT(all.items_of("i-3"), ElementsAre());
  all.forget_old();
  EXPECT_THAT(all.items_of("i-1"), ElementsAre(&latest));
  EXPECT_THROW((void)all.at("m-1"), Error);

  auto next = list();
  next.load();
  EXPECT_THAT(next.items_of("i-1"), ElementsAre(&next.at("m-3")));
}

TEST_F(MigrationListTest, KeepsTheSamplesOfTheLatestTwoHundredThatAreOver) {
  auto all = list();
  const auto add = [&](int number) -> Migration& {
    Timeline samples;
    samples.add({.at_ms = 1, .phase = {}});
    return all.add(
        made("m-" + std::to_string(number), SourceState::aborted, "i-1", 5, std::move(samples)));
  };
  auto& first = add(0);
  for (int i = 1; i < 200; ++i) add(i);
  all.forget_old_timelines();
  EXPECT_FALSE(first.only().record().timeline.empty()) << "the 200th";
  add(200);
  all.forget_old_timelines();
  EXPECT_TRUE(first.only().record().timeline.empty());
  EXPECT_FALSE(all.at("m-1").only().record().timeline.empty());
}

TEST_F(MigrationListTest, HasWhatIsNotedInMemoryAndOnTheDiskWithTheNextRecord) {
  auto all = list();
  auto& m = all.add(made("m-1", SourceState::syncing, "i-1"));
  all.note(m, [](MigrationNotes& notes) { notes.error = Error(Code::timed_out, "it took long"); });
  all.note(m.only(), [](TransferRecord& record) { record.warning = "a log"; });
  EXPECT_EQ(m.record().error->failure(), "it took long");
  EXPECT_EQ(m.only().record().warning, "a log");
  const auto on_disk = [this] {
    auto next = list();
    next.load();
    const auto& read = next.at("m-1");
    return std::pair(read.record().error.has_value(), read.only().record().warning);
  };
  EXPECT_EQ(on_disk(), std::pair(false, std::string()));
  all.save(m);
  EXPECT_EQ(on_disk(), std::pair(true, std::string("a log")));
}

TEST_F(MigrationListTest, SaysWhichHostHasNoSuchMigration) {
  try {
    (void)list().at("m-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::not_found);
    EXPECT_EQ(error.failure(), "there is no migration 'm-1' on gpu-a");
  }
}

TEST_F(MigrationListTest, ForgetsNoneThatRunsOrThatATaskWorksOn) {
  auto all = list();
  all.add(made("m-1", SourceState::aborted, "i-1", 5));
  all.add(made("m-2", SourceState::syncing, "i-2"));
  all.add(made("m-3", SourceState::completed, "i-3", 5));
  worked_on_ = "m-3";
  all.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre("m-1"));
  EXPECT_FALSE(all.has("m-1"));
  worked_on_.clear();
  all.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre("m-1", "m-3"));

  auto next = list();
  next.load();
  EXPECT_FALSE(next.has("m-1")) << "it is not on disk either";
  EXPECT_TRUE(next.has("m-2"));
}

asio::awaitable<void> count_changes(Signal& changed, int& count) {
  for (;; ++count) co_await changed.wait_until(std::chrono::steady_clock::time_point::max());
}

TEST_F(MigrationListTest, WakesWhoWaitsForTheOneThatChangedAndForgetsNoneThatIsWaitedFor) {
  auto all = list();
  auto& first = all.add(made("m-1", SourceState::aborted, "i-1", 5));
  auto& other = all.add(made("m-2", SourceState::aborted, "i-2", 5));
  int changes = 0;
  int others = 0;
  TaskGroup tasks(context_);
  tasks.spawn("first", count_changes(all.changed(first), changes));
  tasks.spawn("other", count_changes(all.changed(other), others));
  context_.poll();
  all.touch(first);
  context_.poll();
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(others, 0);
  all.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre());

  tasks.stop();
  context_.restart();
  context_.run();
  all.forget_old();
  EXPECT_THAT(forgotten_, ElementsAre("m-1", "m-2"));
}

}  // namespace
}  // namespace cardswap
