#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <string>

#include "agent/gang/gang_record.h"
#include "agent/gang/move_factory.h"
#include "agent/gang/rank_record.h"
#include "migrator/base/error.h"
#include "migrator/core/digest.h"

/// The records of a gang and of a rank as the journal and the API have them; and what a request to
/// move a rank is read from.
namespace cardswap::gang {
namespace {

namespace json = boost::json;

GangRecord a_gang() {
  GangRecord record;
  record.id = "m-00000001";
  record.job = "ddp";
  record.spec.job = "ddp/1";
  record.spec.to = "127.0.0.1:7071/cpu:0";
  record.moves.resize(1);
  record.moves[0].rank = 1;
  record.moves[0].from = "a/cpu:0";
  record.moves[0].to = "127.0.0.1:7071/cpu:0";
  record.moves[0].downtime_ms = 12;
  record.moves[0].stats.total = 1000;
  record.side.state = GangState::committed;
  record.side.epoch = 3;
  record.side.own_epoch = 2;
  record.side.step = 41;
  record.side.ranks.resize(3);
  record.side.ranks[1] = {Part::leaves, {digest_of({}), 41}};
  record.agents = {"127.0.0.1:7070", "127.0.0.1:7070", "127.0.0.1:7072"};
  record.rendezvous = "127.0.0.1:4711";
  record.history = {{"planned", 1000}, {"committed", 2000}};
  record.started_at_ms = 1000;
  return record;
}

TEST(GangRecord, IsTheSameOnceItIsReadFromTheJournal) {
  const auto written = to_journal(a_gang());
  const auto read = gang_record_from_journal(json::parse(json::serialize(written)).as_object());
  auto again = to_journal(read);
  again["version"] = written.at("version");  // readers that waited for a change are told one
  EXPECT_EQ(json::serialize(again), json::serialize(written));
  EXPECT_EQ(read.side, a_gang().side);
  EXPECT_EQ(read.rendezvous, a_gang().rendezvous);
}

TEST(GangRecord, IsSetAsideWhereItsRanksAndAgentsDiffer) {
  auto damaged = to_journal(a_gang());
  damaged["agents"] = json::array{"127.0.0.1:7070"};
  EXPECT_THROW((void)gang_record_from_journal(damaged), Error);
  damaged = to_journal(a_gang());
  damaged["moves"].as_array()[0].as_object()["rank"] = 0;  // a rank that stays
  EXPECT_THROW((void)gang_record_from_journal(damaged), Error);
  damaged = to_journal(a_gang());
  damaged["moves"].as_array().clear();
  EXPECT_THROW((void)gang_record_from_journal(damaged), Error);
}

TEST(GangRecord, IsShownAsAMigrationWithTheStatesOfItsRanks) {
  auto heard = std::vector<HeardOfRank>(3);
  heard[0].state = RankState::ready;
  heard[1].newcomer = handover::TargetState::verified;
  const auto shown = to_json(a_gang(), {heard});
  EXPECT_EQ(shown.at("state").as_string(), "committed");
  EXPECT_EQ(shown.at("job").as_string(), "ddp/1");
  EXPECT_TRUE(shown.at("result").is_null());
  const auto& ranks = shown.at("ranks").as_array();
  ASSERT_EQ(ranks.size(), 3U);
  EXPECT_EQ(ranks[0].at("state").as_string(), "ready");
  EXPECT_EQ(ranks[1].at("newcomer").as_string(), "verified");
  EXPECT_FALSE(ranks[2].as_object().contains("newcomer"));
}

TEST(RankRecord, IsTheSameOnceItIsReadFromTheJournal) {
  RankRecord record;
  record.gang = "m-00000001";
  record.job = "ddp";
  record.instance = "0123";
  record.rank = 2;
  record.ranks = 3;
  record.conductor = "127.0.0.1:7070";
  record.side.state = RankState::ready;
  record.side.epoch = 3;
  record.side.own_epoch = 2;
  record.side.step = 41;
  const auto written = to_journal(record);
  const auto read = rank_record_from_journal(json::parse(json::serialize(written)).as_object());
  EXPECT_EQ(json::serialize(to_journal(read)), json::serialize(written));
  EXPECT_EQ(read.side, record.side);
  auto damaged = written;
  damaged["rank"] = 3;
  EXPECT_THROW((void)rank_record_from_journal(damaged), Error);
}

TEST(GangRecord, AddsUpWhatSeveralRanksCost) {
  auto two = a_gang();
  two.spec.job = "ddp/1,2";
  two.side.ranks[2] = {Part::leaves, {digest_of({}), 41}};
  two.moves.push_back(two.moves[0]);
  two.moves[1].rank = 2;
  two.moves[1].to = "127.0.0.1:7073/cpu:0";
  two.moves[1].downtime_ms = 40;
  const auto shown = to_json(two, {});
  EXPECT_EQ(shown.at("downtime_ms").as_double(), 40);
  EXPECT_EQ(shown.at("progress").at("total").to_number<int>(), 2000);
  EXPECT_TRUE(shown.at("rank").is_null());
  EXPECT_EQ(shown.at("ranks").at(2).at("to").as_string(), "127.0.0.1:7073/cpu:0");
  const auto read = gang_record_from_journal(to_journal(two));
  EXPECT_EQ(read.moves.size(), 2U);
  EXPECT_EQ(read.move_of(2).downtime_ms, 40);
}

TEST(GangRecord, NamesThePlaceOfEachNewcomerWhereThereAreSeveral) {
  auto two = a_gang();
  EXPECT_EQ(two.newcomer_id(1), "m-00000001");
  two.moves.push_back(two.moves[0]);
  two.moves[1].rank = 2;
  EXPECT_EQ(two.newcomer_id(2), "m-0000000100000002");
  EXPECT_EQ(gang_of_newcomer(two.newcomer_id(2)), "m-00000001");
}

TEST(AskedRanks, AreAJobAndNumbers) {
  using ::testing::ElementsAre;
  EXPECT_EQ(asked_ranks("ddp/12").job, "ddp");
  EXPECT_THAT(asked_ranks("ddp/12").ranks, ElementsAre(12U));
  EXPECT_THAT(asked_ranks("ddp/5,0-2").ranks, ElementsAre(5U, 0U, 1U, 2U));
  EXPECT_EQ(to_text(asked_ranks("ddp/5,0-2")), "ddp/5,0,1,2");
  for (const auto* text :
       {"ddp", "ddp/", "/1", "ddp/-1", "ddp/1/2", "ddp/1x", "ddp/4096", "d dp/1", "ddp/1,",
        "ddp/2-1", "ddp/1,1", "ddp/0-2,2", "ddp/0-4096", "ddp/1-2-3"}) {
    EXPECT_THROW((void)asked_ranks(text), Error) << text;
  }
}

TEST(AskedPlaces, AreADeviceForEachRankOrHosts) {
  EXPECT_TRUE(asked_places("b/cpu:0,c/cpu:1", 2).are_devices);
  EXPECT_FALSE(asked_places("b,c:7071", 5).are_devices);
  EXPECT_THROW((void)asked_places("b/cpu:0", 2), Error);
  EXPECT_THROW((void)asked_places("b/cpu:0,c/cpu:1", 1), Error);
  EXPECT_THROW((void)asked_places("b/cpu:0,c", 2), Error);
  EXPECT_THROW((void)asked_places("", 1), Error);
}

TEST(AskedPlaces, StayWithTheirRanksWhereTheseAreSorted) {
  auto ranks = asked_ranks("ddp/2,0");
  auto places = asked_places("b/cpu:0,c/cpu:1", 2);
  sort_by_rank(ranks, places);
  EXPECT_EQ(to_text(ranks), "ddp/0,2");
  EXPECT_EQ(joined(places.places), "c/cpu:1,b/cpu:0");
}

TEST(Margin, IsTwoStepsAndMoreWhereStepsAreShort) {
  EXPECT_EQ(margin_for(0), 2U);
  EXPECT_EQ(margin_for(1000), 3U);
  EXPECT_EQ(margin_for(10), 17U);
  EXPECT_EQ(margin_for(0.0001), 1002U);
}

}  // namespace
}  // namespace cardswap::gang
