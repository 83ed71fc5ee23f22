#include "agent/handover/base/lost_time.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/cli/text/lost_time_text.h"
#include "agent/cli/text/text.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/metrics/finished_migrations.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

/// A step takes 50 ms; one was late by 100 ms, and it is frozen at the end of one that took 50 ms.
LostTime lost_while_frozen() {
  LostTime lost;
  Lateness lateness({.step_ms = 50, .spread_ms = 2, .steps = 64});
  lateness.add(150);
  for (int i = 0; i < 20; ++i) lateness.add(50);
  EXPECT_TRUE(lost.merge(channel::LateSteps{"m-1", lateness, 50, 0, false}));
  return lost;
}

FirstStepsReport first_steps(std::vector<double> took_ms, bool over = false) {
  return {.known = true, .began = true, .took_ms = std::move(took_ms), .over = over};
}

json::object json_of(const LostTime& lost, double downtime_ms) {
  json::object all;
  put_lost(all, view_of(lost, downtime_ms));
  return all;
}

TEST(LostTime, HasTheStepThatCrossesFromOneSideToTheOther) {
  auto lost = lost_while_frozen();
  EXPECT_EQ(summary_of(lost, 0)->lost_ms, 100) << "as long as it has not begun there";
  ASSERT_TRUE(lost.merge(first_steps({})));
  const auto summary = summary_of(lost, 200);
  EXPECT_EQ(summary->stall_ms, 200) << "it took 50 ms there, and 200 ms on its way";
  EXPECT_EQ(summary->lost_ms, 300);
  EXPECT_EQ(summary->steps_after, 0U);
}

TEST(LostTime, HasTheFirstStepsAtTheTarget) {
  auto lost = lost_while_frozen();
  ASSERT_TRUE(lost.merge(first_steps({90, 50, 51})));
  EXPECT_EQ(summary_of(lost, 200)->lost_ms, 340);
  EXPECT_EQ(summary_of(lost, 200)->steps_after, 3U);
  EXPECT_FALSE(lost.over);
  EXPECT_FALSE(lost.merge(first_steps({90, 50, 51}))) << "nothing new";
  ASSERT_TRUE(lost.merge(first_steps({90, 50, 51, 50, 50, 50, 50, 50, 50, 50}, true)));
  EXPECT_TRUE(lost.over);
  EXPECT_EQ(lost.note, "");
  EXPECT_FALSE(lost.merge(channel::LateSteps{"m-1", Lateness(), 0, 0, true})) << "that was all";
  EXPECT_FALSE(lost.merge(first_steps({1, 2}, true)));
}

TEST(LostTime, OfAJobThatEndsSoonSaysSo) {
  auto lost = lost_while_frozen();
  ASSERT_TRUE(lost.merge(first_steps({50, 50, 50}, true)));
  EXPECT_TRUE(lost.over);
  EXPECT_THAT(lost.note, HasSubstr("3 of 10 steps"));
  EXPECT_EQ(summary_of(lost, 200)->steps_after, 3U);
}

/// It was given up while it stood: what it lost it lost all the same.
TEST(LostTime, OfOneThatWasGivenUpIsItsSources) {
  auto lost = lost_while_frozen();
  ASSERT_TRUE(lost.merge(first_steps({})));
  auto lateness = lost.lateness;
  lateness.add_parked(400);
  for (std::uint32_t i = 0; i < kStepsAfter; ++i) lateness.add(50);
  ASSERT_TRUE(lost.merge(channel::LateSteps{"m-1", lateness, 0, kStepsAfter, true}));
  EXPECT_EQ(summary_of(lost, 200)->lost_ms, 450);
  EXPECT_EQ(summary_of(lost, 200)->stall_ms, 350);
  EXPECT_EQ(summary_of(lost, 200)->steps_after, kStepsAfter);
  EXPECT_TRUE(lost.over);
}

TEST(LostTime, IsNoNumberWhereItIsNotKnown) {
  LostTime silent;
  auto all = json_of(silent, 15);
  for (const auto* key : {"stall_ms", "lost_ms", "stall_steps", "lost_steps", "step_ms"}) {
    EXPECT_TRUE(all.at(key).is_null()) << key;
  }
  EXPECT_FALSE(all.at("lost_is_final").as_bool()) << "it may still be told";
  silent.end("the job ended first");
  EXPECT_EQ(json_of(silent, 15).at("lost_note"), "the job ended first");

  LostTime young;
  Lateness lateness({.step_ms = 2000, .spread_ms = 40, .steps = 1});
  lateness.add(9000);
  ASSERT_TRUE(young.merge(channel::LateSteps{"m-1", lateness, 0, 0, false}));
  all = json_of(young, 15);
  EXPECT_TRUE(all.at("lost_ms").is_null());
  EXPECT_TRUE(all.at("lost_is_final").as_bool()) << "no step to come tells what was before";
  EXPECT_THAT(std::string(all.at("lost_note").as_string()), HasSubstr("1 ordinary step before"));
}

TEST(LostTime, OfARuntimesWildNumbersIsInBounds) {
  LostTime lost;
  Lateness lateness({.step_ms = 1e-9, .spread_ms = -9e17, .steps = 64});
  for (int i = 0; i < 100; ++i) lateness.add(9e17);
  ASSERT_TRUE(lost.merge(channel::LateSteps{"m-1", lateness, 9e17, 4'000'000'000, false}));
  (void)lost.merge(first_steps({-9e17, 9e17}));
  const auto text = json::serialize(json_of(lost, 9e17));
  EXPECT_EQ(json::parse(text), json::value(json_of(lost, 9e17))) << text;
  EXPECT_TRUE(json_of(lost, 0).at("lost_steps").is_null()) << "a step of no time";
  EXPECT_LE(summary_of(lost, 0)->lost_ms, 1e12);
  EXPECT_GE(summary_of(lost, 0)->spread_ms, 0);
}

/// Of an agent of another release, or a liar.
TEST(LostTime, IsReadFromAnAnswerThatNeedNotHaveIt) {
  json::object answer{{"state", "completed"}, {"epoch", 2}, {"version", 7}};
  const auto told = [&] { return target_status_from("b:1", 2, answer).first_steps; };
  EXPECT_FALSE(told().known);
  EXPECT_TRUE(told().began);
  answer["first_steps"] = json::array{20.5, 21};
  EXPECT_TRUE(told().known);
  EXPECT_EQ(told().took_ms, (std::vector<double>{20.5, 21}));
  EXPECT_FALSE(told().over);
  answer["first_steps"] = json::array(1000, 20.5);
  EXPECT_EQ(told().took_ms.size(), kStepsAfter);
  answer["state"] = "granted";
  EXPECT_FALSE(told().began);
  for (const json::value& wrong :
       {json::value("20"), json::value(json::array{-1}), json::value(json::array{1e300}),
        json::value(json::array{"x"})}) {
    answer["first_steps"] = wrong;
    EXPECT_THROW((void)told(), Error) << json::serialize(wrong);
  }
}

TEST(LostTime, IsItselfAfterTheJournal) {
  auto lost = lost_while_frozen();
  (void)lost.merge(first_steps({90, 50, 51}, true));
  const auto again = lost_time_from_journal(to_journal(lost));
  EXPECT_EQ(json_of(again, 200), json_of(lost, 200));
  EXPECT_EQ(again.lateness, lost.lateness);
  EXPECT_EQ(again.over, lost.over);
  // Records of releases that did not measure it.
  EXPECT_FALSE(summary_of(lost_time_from_journal({}), 200));
}

json::object moved(const LostTime& lost) {
  json::object m{{"result", "ok"},      {"job", "gpt"},
                 {"to", "b:1/cpu:0"},   {"state", "completed"},
                 {"downtime_ms", 15.0}, {"progress", {{"log_wait_ms", 745.0}}}};
  put_lost(m, view_of(lost, 15));
  return m;
}

TEST(LostTime, IsReadBeforeTheDowntime) {
  auto lost = lost_while_frozen();
  (void)lost.merge(first_steps({50, 50, 50}));
  const auto text = cli::summary(moved(lost));
  EXPECT_THAT(text,
              HasSubstr("stall 100 ms (2.0 steps), lost 115 ms (2.3 steps), a step took 50 ms; "
                        "so far, 3 of the 10 steps after it are in it\ndowntime 15 ms"));
  (void)lost.merge(first_steps(std::vector<double>(10, 50), true));
  EXPECT_THAT(cli::summary(moved(lost)), Not(HasSubstr("so far")));
  EXPECT_THAT(cli::details(moved(lost)), HasSubstr("lost 115 ms (2.3 steps)"));
  EXPECT_EQ(cli::lost_cell(moved(lost), "lost_ms"), "115 ms");
}

/// Ranks in lockstep: what one of them stands, all stand, and each sees it in its own steps.
TEST(LostTime, OfAJobOfManyRanksIsThatOfItsLatestRank) {
  auto moves = lost_while_frozen();
  ASSERT_TRUE(moves.merge(first_steps({50, 50})));
  LostTime stays;
  Lateness lateness({.step_ms = 40, .spread_ms = 2, .steps = 64});
  lateness.add_parked(340);
  ASSERT_TRUE(stays.merge(channel::LateSteps{"m-1", lateness, 0, 7, false}));
  LostTime silent;
  silent.end("the job's runtime told nothing of its steps");
  const std::vector ranks{view_of(moves, 15), view_of(stays, 15), view_of(silent, 15)};
  const auto all = view_of_all(ranks);
  ASSERT_TRUE(all.summary);
  EXPECT_EQ(all.summary->stall_ms, 300);
  EXPECT_EQ(all.summary->lost_ms, 300);
  EXPECT_EQ(all.summary->step_ms, 40) << "of the latest";
  EXPECT_EQ(all.summary->steps_after, 2U) << "as far as all have come";
  EXPECT_FALSE(all.is_final);
  EXPECT_EQ(all.note, "") << "what the others tell is enough";
  const auto none = view_of_all(std::span(ranks).last(1));
  EXPECT_FALSE(none.summary);
  EXPECT_THAT(none.note, HasSubstr("told nothing"));
}

TEST(LostTime, IsWaitedForOnlyWhereItCanBeOverSoon) {
  auto lost = lost_while_frozen();
  (void)lost.merge(first_steps({50, 50}));
  EXPECT_TRUE(cli::is_final_within(moved(lost), 400ms));
  EXPECT_FALSE(cli::is_final_within(moved(lost), 399ms)) << "8 steps are to come";
  lost.end("");
  EXPECT_FALSE(cli::is_final_within(moved(lost), 400ms)) << "it is known";
  EXPECT_FALSE(cli::is_final_within(moved({}), 400ms)) << "it will not be known";
}

/// A histogram takes nothing back.
TEST(LostTime, IsCountedOnceNothingMoreIsAddedToIt) {
  MigrationRecord record;
  record.side = handover::SourceSide({handover::SourceState::aborted, 2, 1});
  record.result = MigrationResult::failed;
  TransferRecord transfer;
  transfer.stats.strategy = "replay";
  transfer.lost_time = lost_while_frozen();
  const auto counted = [&] {
    FinishedMigrations finished;
    finished.add(Migration(record, {transfer}));
    const auto& lost = finished.times.at("replay").lost.at("failed");
    return lost.sum();
  };
  EXPECT_EQ(counted(), 0);
  transfer.lost_time.end("");
  EXPECT_DOUBLE_EQ(counted(), 0.1);
}

}  // namespace
}  // namespace cardswap
