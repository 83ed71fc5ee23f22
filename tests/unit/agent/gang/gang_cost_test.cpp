#include "agent/gang/gang_cost.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/cli/text/text.h"
#include "agent/gang/gang_record.h"
#include "agent/metrics/finished_migrations.h"
#include "agent/report/html.h"
#include "agent/report/report.h"
#include "agent/report/summary.h"

namespace cardswap::gang {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Steps of 20 ms, of which one took as long as is said, parked.
RankCost late_by(double parked_ms, std::uint32_t after = 10) {
  Lateness lateness({.step_ms = 20, .spread_ms = 1, .steps = 64});
  lateness.add_parked(parked_ms);
  return {channel::LateSteps{"m-1", lateness, 0, after, after == 10}, {}};
}

/// Three ranks, of which rank 1 moves: it stood for 35 ms, the others for more.
GangRecord moved() {
  GangRecord m;
  m.id = "m-1";
  m.job = "ddp";
  m.moves.resize(1);
  m.moves[0].rank = 1;
  m.moves[0].to = "b:7070/cpu:0";
  m.spec.job = "ddp/1";
  m.spec.to = "b:7070/cpu:0";
  m.side.state = GangState::completed;
  m.side.ranks.resize(3);
  m.side.ranks[1].part = Part::leaves;
  m.agents = {"a:7070", "a:7070", "c:7070"};
  m.started_at_ms = 1'700'000'000'000;
  m.ended_at_ms = m.started_at_ms + 900;
  m.result = MigrationResult::ok;
  m.moves[0].downtime_ms = 35;
  m.moves[0].stats.strategy = "rounds";
  m.cost.ranks.resize(3);
  auto stays = late_by(80);
  stays.communicator = channel::CommunicatorsTook{"m-1", 30, 2, 0.25};
  (void)m.cost.note(0, stays);
  stays = late_by(90);
  stays.communicator = channel::CommunicatorsTook{"m-1", 12, 3, 0.125};
  (void)m.cost.note(2, stays);
  auto leaves = late_by(20, 0);
  leaves.late->open_ms = 21;
  (void)m.cost.note(1, leaves);
  FirstStepsReport steps{.known = true, .began = true, .took_ms = {}, .over = true};
  steps.took_ms.assign(10, 20);
  (void)m.cost.note(1, steps);
  std::int64_t at = m.started_at_ms;
  for (const auto* state : {"building", "built", "parked", "frozen", "ready", "switched"}) {
    at += 100;
    for (const auto rank : {0U, 1U, 2U}) m.cost.note_state(rank, state, at);
  }
  m.cost.note_newcomer(1, "starting", m.started_at_ms + 10);
  m.cost.note_newcomer(1, "parked", m.started_at_ms + 150);
  return m;
}

TEST(AGangsCost, IsThatOfTheRankThatIsLatest) {
  const auto m = moved();
  EXPECT_EQ(m.cost.lost(1, downtime_of_all(m)).summary->stall_ms, 36)
      << "21 ms there, 35 ms on its way";
  EXPECT_EQ(m.cost.lost(downtime_of_all(m)).summary->stall_ms, 70)
      << "they waited for the newcomer";
  EXPECT_EQ(m.cost.build_ms, 30);
  EXPECT_EQ(m.cost.try_ms, 3);
  EXPECT_TRUE(m.cost.is_over());
}

TEST(AGangsCost, GrowsUntilEachRankHasToldItsStepsOrIsGivenUp) {
  GangCost cost;
  cost.ranks.resize(2);
  EXPECT_TRUE(cost.note(0, late_by(50)));
  EXPECT_FALSE(cost.note(0, late_by(70))) << "that is over";
  EXPECT_TRUE(cost.note(1, late_by(60, 4)));
  EXPECT_FALSE(cost.is_over());
  EXPECT_EQ(cost.lost(0).summary->steps_after, 4U);
  cost.end(0, "no more was heard");
  cost.end(1, "no more was heard");
  EXPECT_TRUE(cost.is_over());
  EXPECT_EQ(cost.lost(0, 0).note, "") << "it has told all";
  EXPECT_EQ(cost.lost(1, 0).note, "no more was heard");
  EXPECT_FALSE(cost.note(7, late_by(50))) << "there is no such rank";
}

TEST(AGangsCost, ComesBackFromTheJournal) {
  const auto m = moved();
  const auto read = gang_record_from_journal(to_journal(m));
  EXPECT_EQ(json::serialize(to_json(read, {}).at("ranks")),
            json::serialize(to_json(m, {}).at("ranks")));
  EXPECT_EQ(to_json(read, {}).at("stall_ms"), 70.0);
  EXPECT_EQ(read.cost.exchange_ms, 0.25);
  auto former = to_journal(m);
  former.erase("cost");
  EXPECT_TRUE(gang_record_from_journal(former).cost.is_over()) << "nothing is waited for";
}

TEST(AGangsCost, HasABoundedNumberOfStates) {
  GangCost cost;
  cost.ranks.resize(1);
  for (int i = 0; i < 1000; ++i) cost.note_state(0, i % 2 == 0 ? "built" : "armed", i);
  EXPECT_EQ(cost.ranks[0].states.size(), 64U);
}

TEST(AGangsCost, IsWhatPeopleReadFirst) {
  const auto shown = to_json(moved(), {});
  const auto text = cli::summary(shown);
  EXPECT_THAT(text, HasSubstr("\nstall 70 ms (3.5 steps), lost 70 ms (3.5 steps), a step took 20 ms"
                              "\ndowntime 35 ms"));
  EXPECT_THAT(text, HasSubstr("\ncommunicator built in 30 ms beside training, tried in 3.0 ms and "
                              "exchanged in 0.2 ms of the pause\n"));
  EXPECT_THAT(cli::details(shown), AllOf(HasSubstr("stays, stall 70 ms"), HasSubstr("leaves, ")));
}

TEST(AGangsCost, IsInTheReportWithAllRanksOnOneTimeLine) {
  const auto m = moved();
  const auto report = report::make_report(to_json(m, {}), timeline_json(m, {}));
  ASSERT_EQ(report.ranks.size(), 4U);
  EXPECT_EQ(report.ranks[0].name, "Rank 1");
  EXPECT_EQ(report.ranks[1].name, "Rank 1, new");
  EXPECT_EQ(report.ranks[2].name, "Rank 0");
  EXPECT_EQ(report.ranks[2].states[2].name, "frozen");
  EXPECT_EQ(report.ranks[2].states[2].from_ms, 300);
  EXPECT_THAT(report::to_text(report),
              AllOf(HasSubstr("stall      70 ms"), HasSubstr("communicators built in 30 ms"),
                    Not(HasSubstr("not converged"))));
  EXPECT_THAT(report::to_html(report), AllOf(HasSubstr("Rank 2"), HasSubstr("stall 70 ms"),
                                             HasSubstr("built in 30 ms beside training")));
}

TEST(AGangsCost, IsCountedWithThatOfOtherMoves) {
  auto m = moved();
  FinishedMigrations finished;
  finished.add(m);
  EXPECT_DOUBLE_EQ(finished.times.at("rounds").stall.at("ok").sum(), 0.07);
  EXPECT_DOUBLE_EQ(finished.times.at("rounds").downtime.sum(), 0.035);
  EXPECT_EQ((finished.outcomes.at({"ok", "rounds"})), 1);
  m.result.reset();
  finished.add(m);
  EXPECT_EQ((finished.outcomes.at({"ok", "rounds"})), 1) << "it has not ended";
}

}  // namespace
}  // namespace cardswap::gang
