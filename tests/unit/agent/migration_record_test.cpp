#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/handover/migration.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::SourceRecord;
using handover::State;

handover::Content some_content() { return {Digest{{7}}, 41}; }

SourceRecord read_back(const SourceRecord& record) {
  Migration m;
  m.id = "m-1";
  m.side = handover::SourceSide(record);
  return migration_from_journal(journal_record(m)).side.record();
}

TEST(MigrationRecord, IsItsSidesAfterTheJournal) {
  for (const auto& record :
       {SourceRecord{State::syncing, 2, 1}, SourceRecord{State::committed, 2, 1, some_content()},
        SourceRecord{State::aborted, 2, 3, some_content()},
        SourceRecord{State::aborting, 2, 102, some_content(), true},
        SourceRecord{State::superseded, 2, 1}}) {
    EXPECT_EQ(read_back(record), record) << to_string(record.state);
  }
}

/// Of a release that wrote the source's own epoch only once it had changed.
SourceRecord of_an_old_release(const char* state, bool committed) {
  json::object record{{"id", "m-1"}, {"state", state}, {"epoch", 5}, {"own_epoch", nullptr}};
  if (committed) {
    record["root"] = to_string(some_content().root);
    record["migrated_at_step"] = some_content().step;
  }
  return migration_from_journal(record).side.record();
}

TEST(MigrationRecord, OfAnOldReleaseHasTheEpochThatItsTrainerStepsUnder) {
  EXPECT_EQ(of_an_old_release("planned", false).own, 4U);
  EXPECT_EQ(of_an_old_release("committed", true).own, 4U);
  EXPECT_EQ(of_an_old_release("aborted", true).own, 6U) << "it was taken back";
  EXPECT_EQ(of_an_old_release("committed", true).content, some_content());
}

TEST(MigrationRecord, ThatCannotBeReadIsGivenUp) {
  EXPECT_EQ(of_an_old_release("in a good mood", false).state, State::aborting);
}

}  // namespace
}  // namespace cardswap
