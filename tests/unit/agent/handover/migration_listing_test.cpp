#include "agent/handover/migration_listing.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::SourceState;
using handover::TargetState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct Lists {
  std::list<Migration> outgoing;
  std::list<Reservation> incoming;
  std::vector<json::object> of_ranks;

  void out(const std::string& id, SourceState state, std::int64_t ended_at_ms) {
    out(id, handover::SourceSide({state, 2, 1}), ended_at_ms);
  }
  void out(const std::string& id, handover::SourceSide side, std::int64_t ended_at_ms) {
    MigrationRecord record;
    record.id = id;
    record.side = std::move(side);
    record.started_at_ms = 1;
    record.ended_at_ms = ended_at_ms;
    outgoing.emplace_back(std::move(record), std::vector<TransferRecord>(1));
  }
  void in(const std::string& id, TargetState state, std::int64_t ended_at_ms) {
    ReservationRecord record;
    record.migration = id;
    record.side = handover::TargetSide({state, 2, {}});
    record.ended_at_ms = ended_at_ms;
    incoming.emplace_back(std::move(record));
  }
  [[nodiscard]] json::object listed(const ListingOptions& listing) const {
    const auto shown = [](const Reservation& r) { return json::object{{"id", r.migration()}}; };
    return list_migrations(outgoing, incoming, of_ranks, shown, listing);
  }
};

std::vector<std::string> ids(const json::object& answer) {
  std::vector<std::string> found;
  for (const auto& item : answer.at("migrations").as_array()) {
    found.emplace_back(item.at("id").as_string());
  }
  return found;
}
std::int64_t left_out(const json::object& answer) {
  return answer.at("left_out").to_number<std::int64_t>();
}

Lists some(const handover::SourceSide& old = handover::SourceSide({SourceState::completed, 2, 1})) {
  Lists lists;
  lists.out("old", old, 10);
  lists.in("old-in", TargetState::failed, 15);
  lists.out("newer", SourceState::aborted, 20);
  lists.in("stands", TargetState::superseded, 0);
  lists.in("newest-in", TargetState::completed, 30);
  lists.out("runs", SourceState::syncing, 0);
  return lists;
}

TEST(Listing, ShowsWhatRunsThenWhatEndedNewestFirst) {
  const auto answer = some().listed({.incoming = true});
  EXPECT_THAT(ids(answer), ElementsAre("runs", "stands", "newest-in", "newer", "old-in", "old"));
  EXPECT_EQ(left_out(answer), 0);
}

TEST(Listing, LeavesOutTheOldestAndNeverWhatRuns) {
  const auto answer = some().listed({.incoming = true, .limit = 1});
  EXPECT_THAT(ids(answer), ElementsAre("runs", "stands", "newest-in"));
  EXPECT_EQ(left_out(answer), 3);
}

TEST(Listing, GoesOnBeforeTheLastThatWasShown) {
  const auto lists = some();
  const auto answer = lists.listed({.incoming = true, .limit = 2, .before = "newest-in"});
  EXPECT_THAT(ids(answer), ElementsAre("newer", "old-in"));
  EXPECT_EQ(left_out(answer), 1);
  const auto last = lists.listed({.incoming = true, .before = "old"});
  EXPECT_THAT(ids(last), IsEmpty());
  EXPECT_EQ(left_out(last), 0);
  EXPECT_THROW((void)lists.listed({.before = "runs"}), Error) << "it has not ended";
}

TEST(Listing, HasMovesOfRanksInTheirPlaceAndGoesOnBehindOne) {
  auto lists = some();
  lists.of_ranks = {{{"id", "rank-runs"}, {"result", nullptr}, {"ended_at_ms", nullptr}},
                    {{"id", "rank-old"}, {"result", "ok"}, {"ended_at_ms", 17}}};
  lists.in("rank-runs", TargetState::parked, 0);  // its newcomer comes to this host
  const auto first = lists.listed({.incoming = true, .limit = 3});
  EXPECT_THAT(ids(first),
              ElementsAre("runs", "rank-runs", "stands", "newest-in", "newer", "rank-old"));
  const auto rest = lists.listed({.incoming = true, .before = ids(first).back()});
  EXPECT_THAT(ids(rest), ElementsAre("old-in", "old"));
}

TEST(Listing, IsNoLongerThanAClientReads) {
  Lists lists;
  lists.out("runs", SourceState::syncing, 0);
  for (int i = 1; i <= 3000; ++i) lists.out("m-" + std::to_string(i), SourceState::completed, i);
  ListingOptions listing{.limit = ListingOptions::kLimitMax};
  std::set<std::string> seen;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const auto answer = lists.listed(listing);
    EXPECT_LE(json::serialize(answer).size(), ListingOptions::kBytesMax + 200);
    for (const auto& id : ids(answer)) EXPECT_TRUE(seen.insert(id).second) << id << " came twice";
    more = left_out(answer) > 0;
    listing.before = ids(answer).back();
  }
  EXPECT_GT(pages, 1);
  EXPECT_THAT(seen, SizeIs(3001));
}

TEST(Listing, KeepsInSightWhatSomebodyMustStillBeToldOf) {
  const auto lists = some(handover::SourceSide({SourceState::completed, 2, 102, {}, true}));
  const auto answer = lists.listed({.incoming = true, .limit = 1});
  EXPECT_THAT(ids(answer), ElementsAre("runs", "old", "stands", "newest-in"));
  EXPECT_THAT(ids(lists.listed({.running = true, .incoming = true})),
              ElementsAre("runs", "stands"));
}

}  // namespace
}  // namespace cardswap
