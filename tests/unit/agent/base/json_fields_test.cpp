#include "agent/base/json_fields.h"

#include <gmock/gmock.h>

#include <cstdint>

#include "agent/base/json_archive.h"
#include "migrator/plan/migration_stats.h"

namespace cardswap {
namespace {

namespace json = boost::json;

const json::object kFrom{{"text", "t"},     {"number", 7},    {"large", UINT64_MAX},
                         {"half", 1.5},     {"minus", -1},    {"flag", true},
                         {"null", nullptr}, {"list", {1, 2}}, {"object", {{"a", 1}}}};

TEST(JsonFields, AreEmptyWhereThereIsNoneOfTheType) {
  EXPECT_EQ(text_at(kFrom, "text"), "t");
  EXPECT_EQ(number_at(kFrom, "half"), 1.5);
  EXPECT_EQ(number_at<std::uint64_t>(kFrom, "large"), UINT64_MAX);
  EXPECT_TRUE(flag_at(kFrom, "flag"));
  EXPECT_EQ(array_at(kFrom, "list").size(), 2U);
  EXPECT_EQ(object_at(kFrom, "object").size(), 1U);
  for (const auto* key : {"none", "null", "number", "object"}) {
    EXPECT_EQ(text_at(kFrom, key), "") << key;
    EXPECT_FALSE(flag_at(kFrom, key)) << key;
    EXPECT_TRUE(array_at(kFrom, key).empty()) << key;
  }
  for (const auto* key : {"none", "null", "text", "flag", "list"}) {
    EXPECT_EQ(number_at(kFrom, key), 0) << key;
    EXPECT_TRUE(object_at(kFrom, key).empty()) << key;
  }
  EXPECT_EQ(value_at(kFrom, "null"), nullptr);
}

TEST(JsonFields, AreNoNumberThatTheTypeDoesNotHold) {
  EXPECT_EQ(number_at<int>(kFrom, "large"), 0);
  EXPECT_EQ(number_at<std::uint64_t>(kFrom, "minus"), 0U);
  EXPECT_EQ(number_at<std::uint64_t>(kFrom, "half"), 0U);
  std::uint32_t number = 5;
  EXPECT_FALSE(read_at(kFrom, "large", number));
  EXPECT_FALSE(read_at(kFrom, "none", number));
  EXPECT_EQ(number, 5U);
  EXPECT_TRUE(read_at(kFrom, "number", number));
  EXPECT_EQ(number, 7U);
  EXPECT_THROW((void)recorded_number<int>(kFrom, "large"), Error);
  EXPECT_THROW((void)recorded_number<std::uint64_t>(kFrom, "minus"), Error);
  EXPECT_EQ(recorded_number<int>(kFrom, "text"), 0);
  EXPECT_EQ(recorded_number<int>(kFrom, "number"), 7);
}

TEST(JsonArchive, ComesBackAsItWasWritten) {
  MigrationStats stats;
  stats.phase = MigrationPhase::rounds;
  stats.remaining = 1;
  stats.log_lag_bytes = UINT64_MAX;
  stats.expected_downtime_ms = 0.1;
  stats.throttle_pct = 20;
  stats.remark = "n";
  json::object written;
  put_fields(written, stats);
  MigrationStats again;
  read_fields(json::parse(json::serialize(written)).as_object(), again);
  EXPECT_EQ(again, stats);
}

/// A program that reads the older name, and an agent of another release, which reads the journal of
/// this one or is asked by it, find what they look for.
TEST(JsonArchive, HasAFieldThatWasRenamedUnderBothNames) {
  MigrationStats stats;
  stats.gpu_path = GpuPath::staged;
  json::object written;
  put_fields(written, stats);
  EXPECT_EQ(written.at("gpu_path"), "staged");
  EXPECT_EQ(written.at("card_path"), "staged");

  MigrationStats older;
  read_fields({{"card_path", "direct"}}, older);
  EXPECT_EQ(older.gpu_path, GpuPath::direct);
  MigrationStats both;
  read_fields({{"gpu_path", "staged"}, {"card_path", "direct"}}, both);
  EXPECT_EQ(both.gpu_path, GpuPath::staged);
}

TEST(JsonArchive, ARehearsalsOutcomeIsOneOfItsNamesOrNone) {
  MigrationStats stats;
  for (const auto outcome : {RehearsalOutcome::equal, RehearsalOutcome::rounding,
                             RehearsalOutcome::differs, RehearsalOutcome::left_out}) {
    stats.rehearsal = outcome;
    json::object written;
    put_fields(written, stats);
    MigrationStats again;
    read_fields(written, again);
    EXPECT_EQ(again.rehearsal, outcome);
  }
  MigrationStats other;
  read_fields({{"rehearsal", "equally"}}, other);
  EXPECT_EQ(other.rehearsal, RehearsalOutcome::none);
  EXPECT_FALSE(has_passed(other.rehearsal));
}

TEST(JsonArchive, LeavesAFieldAsItIsWhereTheRecordHasAnotherType) {
  MigrationStats stats;
  stats.phase = MigrationPhase::verify;
  stats.rounds = 3;
  read_fields({{"phase", 1}, {"rounds", "few"}, {"total", "much"}, {"more", 1}}, stats);
  EXPECT_EQ(stats.phase, MigrationPhase::verify);
  EXPECT_EQ(stats.rounds, 3U);
  EXPECT_EQ(stats.total, 0U);
}

TEST(JsonArchive, TakesNoNumberThatAFieldCannotHold) {
  MigrationStats stats;
  for (const json::value& number : {json::value(-1), json::value(1.5), json::value(1e300)}) {
    EXPECT_THROW(read_fields({{"rounds", number}}, stats), Error);
  }
}

}  // namespace
}  // namespace cardswap
