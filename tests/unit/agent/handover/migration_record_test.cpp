#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/handover/source/migration.h"
#include "agent/journal/versions.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::SourceDurable;
using handover::SourceState;

handover::Content some_content() { return {Digest{{7}}, 41}; }

std::vector<TransferRecord> one_transfer() { return std::vector<TransferRecord>(1); }

SourceDurable read_back(const SourceDurable& source) {
  MigrationRecord record;
  record.id = "m-1";
  record.side = handover::SourceSide(source);
  return migration_from_journal(to_journal(record, one_transfer())).record().side.durable();
}

TEST(MigrationRecord, IsItsSidesAfterTheJournal) {
  for (const auto& record : {SourceDurable{SourceState::syncing, 2, 1},
                             SourceDurable{SourceState::committed, 2, 1, some_content()},
                             SourceDurable{SourceState::aborted, 2, 3, some_content()},
                             SourceDurable{SourceState::aborting, 2, 102, some_content(), true},
                             SourceDurable{SourceState::superseded, 2, 1}}) {
    EXPECT_EQ(read_back(record), record) << to_string(record.state);
  }
}

/// Of a release that wrote the source's own epoch only once it had changed.
SourceDurable of_an_old_release(const char* state, bool committed) {
  json::object record{{"id", "m-1"}, {"state", state}, {"epoch", 5}, {"own_epoch", nullptr}};
  if (committed) {
    record["root"] = to_string(some_content().state_digest);
    record["migrated_at_step"] = some_content().step;
  }
  return migration_from_journal(from_version_2("migration", record)).record().side.durable();
}

TEST(MigrationRecord, OfAnOldReleaseHasTheEpochThatItsTrainerStepsUnder) {
  EXPECT_EQ(of_an_old_release("planned", false).own_epoch, 4U);
  EXPECT_EQ(of_an_old_release("committed", true).own_epoch, 4U);
  EXPECT_EQ(of_an_old_release("aborted", true).own_epoch, 6U) << "it was taken back";
  EXPECT_EQ(of_an_old_release("committed", true).content, some_content());
}

/// It may have been committed: given up, its trainer would step beside the target's.
TEST(MigrationRecord, WhoseStateCannotBeReadIsNeitherGivenUpNorAnythingElse) {
  for (const bool committed : {false, true}) {
    try {
      (void)of_an_old_release("in a good mood", committed);
      ADD_FAILURE() << committed;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::corrupt);
    }
  }
}

TEST(MigrationRecord, KeepsEachOfItsTransfers) {
  MigrationRecord record;
  record.id = "m-1";
  record.spec.arrive = ArrivalMode::criu;
  std::vector<TransferRecord> transfers(2);
  auto& first = transfers[0];
  first.instance = "i-1";
  first.from = "gpu-a/cuda:0";
  first.to = "gpu-b:7070/cuda:1";
  first.stats.transferred = 99;
  first.predicted_downtime_ms = 80.5;
  first.predicted_stall_ms = 90;
  first.raw_stall_ms = 60;
  first.raw_lost_ms = 70;
  first.predicted_from_moves = 5;
  first.downtime_ms = 61.5;
  first.clock_error_ms = 0.5;
  first.warning = "a log";
  first.process.image_bytes = 7;
  first.custodian = {11, 12};
  first.lost_time.has_report = true;
  first.lost_time.first_steps = {21, 22};
  auto& second = transfers[1];
  second.rank = 1;
  second.instance = "i-2";

  const auto again = migration_from_journal(to_journal(record, transfers));
  ASSERT_EQ(again.transfers.size(), 2U);
  const auto& one = again.transfers.front().record();
  EXPECT_EQ(one.instance, "i-1");
  EXPECT_EQ(one.from, "gpu-a/cuda:0");
  EXPECT_EQ(one.device(), "cuda:0");
  EXPECT_EQ(one.to, "gpu-b:7070/cuda:1");
  EXPECT_EQ(one.stats.transferred, 99U);
  EXPECT_EQ(one.predicted_downtime_ms, 80.5);
  EXPECT_EQ(one.predicted_stall_ms, 90);
  EXPECT_EQ(one.raw_stall_ms, 60);
  EXPECT_EQ(one.raw_lost_ms, 70);
  EXPECT_EQ(one.predicted_from_moves, 5U);
  EXPECT_EQ(one.downtime_ms, 61.5);
  EXPECT_EQ(one.clock_error_ms, 0.5);
  EXPECT_EQ(one.warning, "a log");
  EXPECT_EQ(one.process.image_bytes, 7U);
  EXPECT_EQ(one.custodian, (ProcessId{11, 12}));
  EXPECT_TRUE(one.lost_time.has_report);
  EXPECT_EQ(one.lost_time.first_steps, (std::vector<double>{21, 22}));
  EXPECT_EQ(again.find("i-2")->record().rank, 1U);
  EXPECT_EQ(again.find("i-3"), nullptr);
}

/// What users read of it is as it was when a migration had one process.
TEST(MigrationRecord, IsShownWithWhatIsOfItsTransfer) {
  MigrationRecord record;
  record.spec.to = "gpu-b:7070/cpu:0";
  TransferRecord transfer;
  transfer.to = "10.0.0.2:7070/cpu:0";
  transfer.instance = "i-1";
  transfer.stats.transferred = 99;
  const auto shown = to_json(Migration(record, {transfer}));
  EXPECT_FALSE(shown.at("held").as_bool());
  EXPECT_FALSE(to_journal(record).contains("held")) << "the next agent holds it again, or not";
  EXPECT_EQ(shown.at("to"), "gpu-b:7070/cpu:0");
  EXPECT_EQ(shown.at("instance"), "i-1");
  EXPECT_EQ(shown.at("progress").at("transferred"), 99);
  EXPECT_TRUE(shown.at("progress").as_object().contains("total_time_ms"));
  EXPECT_TRUE(shown.at("process").is_null());
  EXPECT_TRUE(shown.at("downtime_ms").is_null());
  for (const auto* inner : {"transfers", "rank", "keeper", "lost"})
    EXPECT_FALSE(shown.contains(inner));
}

TEST(MigrationRecord, OfVersion2HasWhatIsOfTheProcessApart) {
  const auto m = migration_from_journal(
      from_version_2("migration", {{"id", "m-1"},
                                   {"state", "completed"},
                                   {"epoch", 2},
                                   {"own_epoch", 1},
                                   {"to", "gpu-b:7070/cpu:0"},
                                   {"from", "gpu-a/cpu:0"},
                                   {"instance", "i-1"},
                                   {"downtime_ms", 61.5},
                                   {"progress", {{"transferred", 5000}, {"rounds", 2}}},
                                   {"keeper", {{"pid", 11}, {"start_time", 12}}}}));
  EXPECT_EQ(m.spec().to, "gpu-b:7070/cpu:0");
  EXPECT_EQ(m.only().record().to, "gpu-b:7070/cpu:0");
  EXPECT_EQ(m.only().record().from, "gpu-a/cpu:0");
  EXPECT_EQ(m.only().instance(), "i-1");
  EXPECT_EQ(m.only().record().downtime_ms, 61.5);
  EXPECT_EQ(m.only().record().stats.transferred, 5000U);
  EXPECT_EQ(m.only().record().custodian, (ProcessId{11, 12}));
}

TEST(MigrationRecord, NamesItsResultAndTheSideThatItWasForcedTo) {
  MigrationRecord record;
  const auto written = [&] { return to_journal(record, one_transfer()); };
  const auto read = [&] { return migration_from_journal(written()).record(); };
  EXPECT_TRUE(written().at("result").is_null());
  EXPECT_TRUE(written().at("forced").is_null());
  EXPECT_EQ(read().result, std::nullopt);
  EXPECT_EQ(read().forced, std::nullopt);
  record.result = MigrationResult::checked;
  record.forced = MigrationSide::target;
  EXPECT_EQ(written().at("result"), "checked");
  EXPECT_EQ(written().at("forced"), "target");
  EXPECT_EQ(read().result, MigrationResult::checked);
  EXPECT_EQ(read().forced, MigrationSide::target);
}

TEST(MigrationRecord, ThatMovesNothingIsNone) {
  EXPECT_THROW((void)migration_from_journal(json::object{{"id", "m-1"}}), Error);
}

}  // namespace
}  // namespace cardswap
