/// Method: the journal of an agent that is stopped is given migrations and reservations that ended
/// long ago and just now. The agent that starts on it knows the new ones, and after it neither it
/// nor the disk has the old ones; its counters have not fallen.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/handover/source/migration.h"
#include "agent/handover/target/reservation.h"
#include "agent/journal/journal.h"
#include "tests/support/http.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kDay = 86'400'000;

boost::json::object ended_migration(const std::string& id, std::int64_t at) {
  MigrationRecord m;
  m.id = id;
  m.spec.job = "job";
  m.spec.to = "127.0.0.1:1/cpu:0";
  m.side = handover::SourceSide({handover::SourceState::aborted, 2, 1});
  m.result = MigrationResult::failed;
  m.error = Error(Code::target_lost, "it is long ago");
  m.started_at_ms = at - 1000;
  m.ended_at_ms = at;
  std::vector<TransferRecord> transfers(1);
  transfers[0].instance = "of-" + id;
  transfers[0].from = "gpu-a/cpu:0";
  return to_journal(m, transfers);
}

ReservationRecord ended_reservation(const std::string& id, std::int64_t at) {
  ReservationRecord r;
  r.migration = id;
  r.side = handover::TargetSide({handover::TargetState::failed, 2, {}});
  r.ended_at_ms = at;
  return r;
}

std::vector<std::string> ids(const Journal& journal, Journal::Kind kind, const char* key) {
  std::vector<std::string> found;
  for (const auto& record : journal.all(kind)) found.push_back(text(record, key));
  return found;
}

TEST(Forgetting, TakesWhatEndedLongAgoFromMemoryAndFromTheDisk) {
  const TempDir dir;
  Host a(dir.path() / "a", {.name = "gpu-a"});
  a.kill_agent(SIGTERM);
  const auto now = unix_ms();
  {
    Journal journal(a.dir() / "journal.db");
    for (const auto& m :
         {ended_migration("m-old", now - 40 * kDay), ended_migration("m-new", now - kDay)}) {
      journal.put(Journal::Kind::migration, text(m, "id"), m);
    }
    for (const auto& r :
         {ended_reservation("m-old", now - 40 * kDay), ended_reservation("m-new", now - kDay)}) {
      journal.put(Journal::Kind::reservation, r.migration, to_journal(r));
    }
  }
  a.start_agent();
  const auto listed = a.ask({"status"});
  ASSERT_EQ(listed.at("migrations").as_array().size(), 1U);
  EXPECT_EQ(text(listed.at("migrations").as_array()[0].as_object(), "id"), "m-new");
  EXPECT_EQ(a.command({"status", "m-old"}).exit_code, 3);
  EXPECT_THAT(ask_over_unix(a, {.target = "/metrics"}).content,
              HasSubstr("cardswap_migration_errors_total{code=\"target_lost\"} 2"));
  a.kill_agent(SIGTERM);
  const Journal journal(a.dir() / "journal.db");
  EXPECT_THAT(ids(journal, Journal::Kind::migration, "id"), ElementsAre("m-new"));
  EXPECT_THAT(ids(journal, Journal::Kind::reservation, "migration"), ElementsAre("m-new"));
  a.start_agent();
}

}  // namespace
}  // namespace cardswap::test
