#include "agent/cli/text/text.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Table, PadsColumnsToTheirWidestCell) {
  EXPECT_EQ(cli::table({{"NAME", "STEP"}, {"a-long-name", "7"}}),
            "NAME         STEP\na-long-name  7\n");
}

boost::json::object syncing_migration() {
  return {{"state", "syncing"},
          {"max_downtime_ms", 300},
          {"progress",
           {{"rounds", 2},
            {"transferred", 5 << 20},
            {"total", 10 << 20},
            {"remaining", 1 << 20},
            {"rate", 3 << 20},
            {"dirty_rate", 2 << 20},
            {"expected_downtime_ms", 4200.0}}}};
}

TEST(ProgressLine, NamesWhatMattersMostFirst) {
  EXPECT_EQ(cli::progress_line(syncing_migration(), 200),
            "syncing round 2  1.0 MiB left of 10.0 MiB  downtime now 4.2 s (max 300 ms)  "
            "3.0 MiB/s  dirty 2.0 MiB/s  5.0 MiB sent");
}

TEST(ProgressLine, LeavesOutWholePartsWhereTheTerminalIsNarrow) {
  const auto whole = cli::progress_line(syncing_migration(), 200);
  for (std::size_t width = 1; width < whole.size(); ++width) {
    const auto line = cli::progress_line(syncing_migration(), width);
    EXPECT_LE(line.size(), width);
    EXPECT_TRUE(whole.starts_with(line));
    if (line.size() >= 15) {
      EXPECT_EQ(whole.substr(line.size(), 2), "  ") << line;
    }
  }
}

TEST(ProgressLine, IsTheStateAloneBeforeAnythingIsKnown) {
  EXPECT_EQ(cli::progress_line({{"state", "syncing"}, {"progress", {{"total", 0}}}}, 80),
            "syncing");
}

TEST(ProgressLine, NamesTheRanksOfAJobOfManyByTheirStates) {
  const boost::json::object migration{
      {"state", "preparing"},
      {"progress", {{"total", 0}}},
      {"ranks",
       {{{"rank", 0}, {"part", "stays"}, {"state", "built"}},
        {{"rank", 1}, {"part", "leaves"}, {"state", nullptr}, {"newcomer", "starting"}},
        {{"rank", 2}, {"part", "stays"}, {"state", "built"}}}}};
  EXPECT_EQ(cli::progress_line(migration, 200),
            "preparing  ranks 0, 2 built, rank 1 not asked, newcomer starting");
}

boost::json::object moved_migration(double downtime_ms, double hold_ms) {
  return {{"result", "ok"},
          {"max_downtime_ms", 300},
          {"downtime_ms", downtime_ms},
          {"progress",
           {{"log_wait_ms", hold_ms},
            {"freeze_scan_ms", 12},
            {"freeze_send_ms", 20},
            {"freeze_verify_ms", 1}}}};
}

TEST(Summary, NamesWhatTookLongestWhereTheLimitWasExceeded) {
  EXPECT_THAT(cli::summary(moved_migration(299, 0)), Not(HasSubstr("limit")));
  EXPECT_THAT(cli::summary(moved_migration(350, 0)),
              HasSubstr("limit 300 ms, was 350 ms: commit and grant took 317 ms"));
  EXPECT_THAT(cli::summary(moved_migration(100, 250)),
              HasSubstr("limit 300 ms, was 350 ms: the wait before the last step took 250 ms"));
  auto whole = moved_migration(404, 0);
  whole["process"] = {{"freeze_ms", 17}, {"dump_ms", 186}, {"restore_ms", 152}};
  EXPECT_THAT(cli::summary(whole),
              HasSubstr("limit 300 ms, was 404 ms: moving the process took 355 ms"));
}

TEST(JobsTable, ShowsADashForWhatAProgramWithoutARuntimeDoesNotTell) {
  const boost::json::object answer{
      {"jobs",
       {{{"name", "plain"}, {"state", "starting"}, {"device", "cpu:0"}, {"step", 0}},
        {{"name", "gpt"},
         {"state", "running"},
         {"device", "cpu:0"},
         {"step", 7},
         {"median_step_ms", 20.0},
         {"state_bytes", 1 << 20}}}}};
  const auto table = cli::jobs_table(answer, {});
  EXPECT_THAT(table,
              HasSubstr("plain  starting  cpu:0   0s   -     -          -           no Cardswap"));
  EXPECT_THAT(table, HasSubstr("gpt    running   cpu:0   0s   7     20 ms      1.0 MiB"));
}

TEST(JobsTable, NamesTheRanksThatAreHere) {
  const boost::json::object first{{"rank", 0}, {"moved_to", nullptr}};
  const boost::json::object gone{{"rank", 1}, {"moved_to", "gpu-b:7070/cpu:0"}};
  const boost::json::object last{{"rank", 2}, {"moved_to", nullptr}};
  const boost::json::object job{{"name", "ddp"},
                                {"state", "running"},
                                {"device", "cpu:0"},
                                {"world_size", 3},
                                {"ranks", boost::json::array{first, gone, last}}};
  EXPECT_THAT(cli::jobs_table({{"jobs", boost::json::array{job}}}, {}),
              HasSubstr("ranks 0, 2 of 3"));
}

TEST(JobsTable, ShowsWhatLivesAndWhatNeedsALookAndOneRowAName) {
  using boost::json::array;
  const boost::json::object answer{
      {"jobs",
       {{{"name", "old"}, {"state", "running"}, {"started_at_ms", 0}},
        {{"name", "back"}, {"state", "moved"}, {"moved_to", "b:7070/cpu:0"}},
        {{"name", "back"}, {"state", "standby"}},
        {{"name", "left"},
         {"state", "moved"},
         {"moved_to", "b:7070/cpu:0"},
         {"still_alive", array{12, 13}}},
        {{"name", "gone"}, {"state", "lost"}, {"ended_at_ms", 1}, {"exit_text", "why"}},
        {{"name", "done"}, {"state", "ended"}, {"ended_at_ms", 1}, {"exit_code", 0}}}}};
  const auto table = cli::jobs_table(answer, {.now_ms = 97'200'000});
  EXPECT_THAT(table, HasSubstr("old   running  -       1d3h"));
  EXPECT_THAT(table, HasSubstr("back  standby"));
  EXPECT_THAT(table, Not(HasSubstr("back  moved")));
  EXPECT_THAT(table, HasSubstr("moved to b:7070/cpu:0; processes 12, 13 still alive"));
  EXPECT_THAT(table, HasSubstr("gone  lost"));
  EXPECT_THAT(table, HasSubstr("2 more are over: cardswap jobs --all"));
  EXPECT_THAT(cli::jobs_table(answer, {.all = true}), HasSubstr("back  moved"));
}

}  // namespace
}  // namespace cardswap
