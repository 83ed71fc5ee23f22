/// Method: a target's part of an agent, whose journal takes no change while a trigger in it says
/// so, as on a full disk. What is said of a place then has not happened, in memory neither.

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "migrator/base/error.h"
#include "tests/integration/reservation_host.h"
#include "tests/support/temp_dir.h"

namespace cardswap::test {
namespace {

using handover::TargetState;
using ::testing::HasSubstr;

const std::string kId = "m-0123456789abcdef";

class ReservationRecords : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(host_.hold(kId, "127.0.0.1:9")); }
  void run(const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((dir_.path() / "journal.db").c_str(), &db), SQLITE_OK);
    char* why = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &why), SQLITE_OK) << why;
    sqlite3_close(db);
  }
  void fill_the_disk() {
    run("CREATE TRIGGER full BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'no room'); END");
  }
  void empty_the_disk() { run("DROP TRIGGER full"); }
  [[nodiscard]] const Reservation& place() { return host_.places().at(kId); }
  [[nodiscard]] boost::json::object on_disk() const {
    return host_.journal().all(Journal::Kind::reservation).at(0);
  }
  void grant() {
    const auto content = place().record().side.durable().content;
    host_.places().grant(kId, 2, content);
    ASSERT_EQ(place().state(), TargetState::granted);
  }

  const TempDir dir_;
  ReservationHost host_{dir_.path()};
};

TEST_F(ReservationRecords, HaveNoReasonForAnEndThatTheDiskRefused) {
  ASSERT_NO_FATAL_FAILURE(grant());
  fill_the_disk();
  EXPECT_THROW(host_.await(host_.places().drop(kId, 103)), Error);
  EXPECT_EQ(place().state(), TargetState::granted);
  EXPECT_FALSE(place().record().error) << place().record().error->what() << ", and it goes on";
  empty_the_disk();
  host_.await(host_.places().drop(kId, 103));
  EXPECT_EQ(place().state(), TargetState::superseded);
  EXPECT_THAT(place().record().error.value().failure(), HasSubstr("gave the job back"));
  EXPECT_EQ(text_at(on_disk(), "state"), "superseded");
  EXPECT_TRUE(on_disk().at("error").is_object());
}

TEST_F(ReservationRecords, HaveNoReasonForAnEndThatIsNone) {
  ASSERT_NO_FATAL_FAILURE(grant());
  host_.await(host_.places().drop(kId, 103));
  const auto first = place().record().error.value().failure();
  host_.await(host_.places().drop(kId, 104));  // it is halted for good by now
  EXPECT_EQ(place().record().error.value().failure(), first);
}

TEST_F(ReservationRecords, AreNotForcedByAWordThatTheDiskRefused) {
  fill_the_disk();
  const OperatorDecision order{.to = MigrationSide::target, .by = "test"};
  EXPECT_THROW(host_.await(host_.places().force(kId, order)), Error);
  EXPECT_EQ(place().state(), TargetState::verified);
  EXPECT_FALSE(place().record().forced);
  empty_the_disk();
  host_.await(host_.places().force(kId, order));
  EXPECT_EQ(place().state(), TargetState::granted);
  EXPECT_EQ(place().record().forced, MigrationSide::target);
  EXPECT_EQ(text_at(on_disk(), "forced"), "target");
}

}  // namespace
}  // namespace cardswap::test
