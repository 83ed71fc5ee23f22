#include "agent/cli/snapshots/snapshot_turn.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cardswap::cli {
namespace {

namespace json = boost::json;

Error refusal(std::string text, Code code = Code::conflict) { return {code, std::move(text)}; }

json::object running(json::array migrations) { return {{"migrations", std::move(migrations)}}; }
json::object migration(std::string_view job, std::string_view id = "m-0123456789abcdef") {
  return {{"job", job}, {"id", id}};
}

TEST(SnapshotTurn, WaitsForTheMigrationThatTheJobIsIn) {
  SnapshotTurn turn("gpt");
  const auto other = turn.waits_for(refusal("it moves"),
                                    running({migration("cnn", "m-00000000"), migration("gpt")}));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->at("id"), "m-0123456789abcdef");
}

TEST(SnapshotTurn, AsksAgainOnceWhereNothingExplainsTheRefusal) {
  SnapshotTurn turn("gpt");
  EXPECT_FALSE(turn.waits_for(refusal("it moves"), running({})));
  EXPECT_FALSE(turn.waits_for(refusal("it moves, otherwise"), running({})));
  EXPECT_THROW((void)turn.waits_for(refusal("it moves, otherwise"), running({})), Error);
}

TEST(SnapshotTurn, AsksAgainAfterEachMigrationThatHasEnded) {
  SnapshotTurn turn("gpt");
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(turn.waits_for(refusal("it is busy"), running({}))) << i;
    EXPECT_TRUE(turn.waits_for(refusal("it is busy"), running({migration("gpt")}))) << i;
  }
}

TEST(SnapshotTurn, DoesNotWaitForWhatIsNoConflictOrHasNoName) {
  SnapshotTurn turn("gpt");
  const auto moves = running({migration("gpt")});
  EXPECT_THROW((void)turn.waits_for(refusal("no job", Code::not_found), moves), Error);
  EXPECT_THROW((void)turn.waits_for(refusal("it moves"), running({migration("gpt", "../../etc")})),
               Error);
  EXPECT_FALSE(turn.waits_for(refusal("it moves"), {})) << "an answer without a list";
}

}  // namespace
}  // namespace cardswap::cli
