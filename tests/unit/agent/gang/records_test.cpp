#include "agent/gang/records.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <string>

#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

Content committed_content() {
  Content content;
  content.state_digest.bytes[0] = 9;
  content.step = 41;
  return content;
}

GangDurable a_gang_record() {
  return {GangState::committed,
          3,
          2,
          41,
          true,
          {{Part::stays, {}}, {Part::leaves, committed_content()}}};
}

RankDurable a_rank_record() {
  return {RankState::ready, Part::leaves, 3, 2, 41, committed_content()};
}

TEST(GangRecords, OfEachStateComeBackAsTheyWere) {
  for (std::size_t i = 0; i < kGangStates; ++i) {
    auto record = a_gang_record();
    record.state = static_cast<GangState>(i);
    EXPECT_EQ(gang_from_journal(to_journal(record)), record) << to_string(record.state);
  }
  for (std::size_t i = 0; i < kRankStates; ++i) {
    auto record = a_rank_record();
    record.state = static_cast<RankState>(i);
    EXPECT_EQ(rank_from_journal(to_journal(record)), record) << to_string(record.state);
  }
}

/// Expects `read` to set the damaged record aside, for a reason that names `field`.
void expect_corrupt(auto read, const std::string& field) {
  try {
    (void)read();
    ADD_FAILURE() << "read without " << field;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::corrupt);
    EXPECT_THAT(error.failure(), HasSubstr("'" + field + "'"));
  }
}

TEST(GangRecords, WithoutAFieldAreCorrupt) {
  for (const auto& field : to_journal(a_gang_record())) {
    auto record = to_journal(a_gang_record());
    record.erase(field.key());
    expect_corrupt([&] { return gang_from_journal(record); }, std::string(field.key()));
  }
  for (const auto& field : to_journal(a_rank_record())) {
    auto record = to_journal(a_rank_record());
    record.erase(field.key());
    expect_corrupt([&] { return rank_from_journal(record); }, std::string(field.key()));
  }
}

/// A state that cannot be read is none that lets a rank go.
TEST(GangRecords, OfAnUnknownStateAreCorrupt) {
  auto gang = to_journal(a_gang_record());
  gang["state"] = "almost";
  expect_corrupt([&] { return gang_from_journal(gang); }, "state");
  auto rank = to_journal(a_rank_record());
  rank["root"] = "no digest";
  expect_corrupt([&] { return rank_from_journal(rank); }, "root");
  auto odd = to_journal(a_gang_record());
  odd["ranks"] = json::array{1};
  expect_corrupt([&] { return gang_from_journal(odd); }, "ranks");
}

}  // namespace
}  // namespace cardswap::gang
