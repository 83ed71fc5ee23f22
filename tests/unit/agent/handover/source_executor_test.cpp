#include "agent/handover/source/source_executor.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/handover_parts.h"
#include "tests/support/refused_records.h"

namespace cardswap {
namespace {

using handover::SourceState;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SourceExecutorTest : public ::testing::Test, private MigrationControl {
 protected:
  SourceExecutorTest() {
    departures_.emplace_back(scope_, migration_.only());
    migration_.failpoint =
        "committed";  // what is granted is kept back: nobody is there who could hear it
    auto& transfer = migration_.only();
    transfer.frozen_step = 41;
    transfer.target.round_trips = 3;
    list_.note(transfer, [](TransferRecord& record) { record.warning = "a log"; });
  }
  static Migration made() {
    MigrationRecord record;
    record.id = "m-1";
    record.side = handover::SourceSide({SourceState::verifying, 2, 1});
    TransferRecord transfer;
    transfer.instance = "i-1";
    transfer.to = "10.0.0.2:7070/cpu:0";
    return {std::move(record), {std::move(transfer)}};
  }
  static void name_job(MigrationRecord& record) { record.job_uid = "changed beside it"; }
  [[nodiscard]] boost::json::object on_disk() const {
    return parts_.journal.all(Journal::Kind::migration).at(0);
  }

  test::HandoverParts parts_;
  MigrationList list_{parts_.config, parts_.journal, {}};
  Migration& migration_ = list_.add(made());
  const MigrationContext scope_{parts_.context, list_, migration_, *this};
  TargetClient client_{parts_.tasks};
  TargetCouriers targets_{scope_, client_};
  std::list<CriuDeparture> departures_;
  SourceExecutor executor_{scope_, targets_, departures_};

 private:
  // MigrationControl, of which the executor and what it has in hand here ask nothing
  void apply(const handover::Message&) override {}
  void poll() override {}
  void fail(Error) override {}
  void check(Deadline) const override {}
  [[nodiscard]] Deadline deadline() const override { return Deadline::max(); }
  asio::awaitable<void> wait_at_failpoint(std::string_view) override { co_return; }
  void spawn(std::string name, asio::awaitable<void>) override { ADD_FAILURE() << name; }
};

TEST_F(SourceExecutorTest, KeepsARecordAsAWholeWhileTransfersStayWhereTheyAre) {
  const Transfer* const transfer = &migration_.only();
  executor_.apply(handover::SourceEvent::digests_equal, name_job);

  EXPECT_EQ(migration_.state(), SourceState::committed);
  EXPECT_EQ(migration_.record().version, 2U);
  EXPECT_EQ(migration_.record().job_uid, "changed beside it");
  ASSERT_THAT(migration_.record().history, SizeIs(1));
  EXPECT_EQ(migration_.record().history.front().first, "committed");
  const auto kept = migration_from_journal(on_disk());
  EXPECT_EQ(kept.state(), SourceState::committed);
  EXPECT_EQ(kept.record().job_uid, "changed beside it");
  EXPECT_EQ(kept.record().history, migration_.record().history);
  EXPECT_EQ(kept.only().record().warning, "a log");

  EXPECT_EQ(&migration_.only(), transfer);
  ASSERT_THAT(transfer->record().timeline.samples(), SizeIs(1));
  EXPECT_EQ(transfer->record().timeline.samples().front().state, SourceState::committed);
  EXPECT_EQ(transfer->record().warning, "a log");
  EXPECT_EQ(transfer->frozen_step, 41U);
  EXPECT_EQ(transfer->target.round_trips, 3);
  EXPECT_THAT(transfer->target.held_back, SizeIs(1)) << "the grant";
}

/// Method: the journal refuses the record of a commit, and takes the next one.
TEST_F(SourceExecutorTest, LeavesARecordAsItWasWhereTheDiskRefusesTheNext) {
  const auto before = to_journal(migration_);
  const auto before_on_disk = on_disk();
  {
    const test::RefusedRecords refused(parts_.dir.path() / "j.db", "migration");
    EXPECT_THROW(executor_.apply(handover::SourceEvent::digests_equal, name_job), Error);
  }
  EXPECT_EQ(migration_.state(), SourceState::verifying);
  EXPECT_EQ(migration_.record().version, 1U);
  EXPECT_EQ(to_journal(migration_), before);
  EXPECT_EQ(on_disk(), before_on_disk);
  EXPECT_TRUE(migration_.only().record().timeline.empty());
  EXPECT_THAT(migration_.only().target.held_back, IsEmpty()) << "nothing is granted";

  executor_.apply(handover::SourceEvent::digests_equal);
  EXPECT_EQ(migration_.state(), SourceState::committed);
  EXPECT_EQ(migration_.record().job_uid, "") << "it went with the refused record";
}

TEST_F(SourceExecutorTest, ChangesNothingBesideAStateThatStays) {
  const auto before = to_journal(migration_);
  executor_.apply(handover::SourceEvent::freeze_due, name_job);
  EXPECT_EQ(to_journal(migration_), before);
  executor_.apply(handover::SourceEvent::digests_equal);
  EXPECT_EQ(migration_.record().job_uid, "") << "it is of no later change either";
}

}  // namespace
}  // namespace cardswap
