#include "agent/gang/messages.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "agent/base/validate.h"
#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kAgent = "gpu-b:7070";

Order an_order() { return {Order::Kind::propose, 3, 2, 41}; }

RankStatus a_status() {
  RankStatus status{3, RankState::ready, 41, {}};
  status.content.state_digest.bytes[0] = 7;
  status.content.step = 41;
  return status;
}

std::optional<Error> refusal_of(auto read) {
  try {
    (void)read();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

TEST(GangMessages, OfEachOrderComeBackAsTheyWere) {
  for (std::size_t i = 0; i < kCountOf<Order::Kind>; ++i) {
    auto order = an_order();
    order.kind = static_cast<Order::Kind>(i);
    EXPECT_EQ(order_from(to_json(order)), order) << to_string(order.kind);
    EXPECT_EQ(order_from(kAgent, to_json(order)), order) << to_string(order.kind);
  }
}

TEST(GangMessages, OfEachStateOfARankComeBackAsTheyWere) {
  for (std::size_t i = 0; i < kRankStates; ++i) {
    auto status = a_status();
    status.state = static_cast<RankState>(i);
    EXPECT_EQ(rank_status_from(kAgent, to_json(status)), status) << to_string(status.state);
    status.content = {};
    EXPECT_EQ(rank_status_from(kAgent, to_json(status)), status) << to_string(status.state);
  }
}

/// Agents of other releases read this: a field that goes, or changes its type, is one that they
/// miss.
TEST(GangMessages, HaveTheFieldsThatOtherReleasesRead) {
  EXPECT_EQ(json::serialize(to_json(an_order())),
            R"({"order":"propose","epoch":3,"own_epoch":2,"step":41})");
  EXPECT_EQ(json::serialize(to_json(RankStatus{3, RankState::armed, 41, {}})),
            R"({"epoch":3,"state":"armed","step":41,"root":"","root_step":0})");
}

TEST(GangMessages, WithoutAFieldAreRefusedByItsName) {
  for (const auto& field : to_json(an_order())) {
    auto body = to_json(an_order());
    body.erase(field.key());
    const auto refused = refusal_of([&] { return order_from(body); });
    ASSERT_TRUE(refused) << field.key();
    EXPECT_EQ(refused->code(), Code::bad_request);
    EXPECT_THAT(refused->failure(), HasSubstr("'" + std::string(field.key()) + "'"));
  }
  for (const auto& field : to_json(a_status())) {
    auto body = to_json(a_status());
    body.erase(field.key());
    const auto refused = refusal_of([&] { return rank_status_from(kAgent, body); });
    ASSERT_TRUE(refused) << field.key();
    EXPECT_EQ(refused->code(), Code::protocol_mismatch);
    EXPECT_THAT(refused->failure(),
                AllOf(HasSubstr(kAgent), HasSubstr("'" + std::string(field.key()) + "'")));
  }
}

/// A field of a message, and a value that nobody may send.
struct Odd {
  const char* field;
  json::value value;
};

TEST(GangMessages, WithAValueThatNobodyMaySendAreRefused) {
  const Odd odd_orders[] = {{"order", "hurry"},
                            {"order", 3},
                            {"order", nullptr},
                            {"epoch", -1},
                            {"epoch", 1.5},
                            {"epoch", "3"},
                            {"epoch", validate::kEpochMax + 1},
                            {"own_epoch", validate::kEpochMax + 1},
                            {"step", validate::kStepMax + 1},
                            {"step", 1e300},
                            {"step", json::array{1}}};
  for (const auto& [field, value] : odd_orders) {
    auto body = to_json(an_order());
    body[field] = value;
    const auto refused = refusal_of([&] { return order_from(body); });
    ASSERT_TRUE(refused) << field << " " << json::serialize(value);
    EXPECT_EQ(refused->code(), Code::bad_request);
    EXPECT_THAT(refused->failure(), Not(HasSubstr("hurry")));
  }
  const Odd odd_statuses[] = {{"state", "flying"},
                              {"state", ""},
                              {"epoch", validate::kEpochMax + 1},
                              {"step", validate::kStepMax + 1},
                              {"step", false},
                              {"root", "no digest"},
                              {"root", json::value(std::string(31, '0'))},
                              {"root", 7},
                              {"root_step", validate::kStepMax + 1}};
  for (const auto& [field, value] : odd_statuses) {
    auto body = to_json(a_status());
    body[field] = value;
    const auto refused = refusal_of([&] { return rank_status_from(kAgent, body); });
    ASSERT_TRUE(refused) << field << " " << json::serialize(value);
    EXPECT_EQ(refused->code(), Code::protocol_mismatch);
    EXPECT_THAT(refused->failure(), Not(HasSubstr("flying")));
  }
}

TEST(GangMessages, ThatAreNoObjectAreRefused) {
  for (const auto& answer :
       {json::value(nullptr), json::value("ready"), json::value(json::array{}), json::value(3)}) {
    const auto status = refusal_of([&] { return rank_status_from(kAgent, answer); });
    const auto order = refusal_of([&] { return order_from(kAgent, answer); });
    ASSERT_TRUE(status && order) << json::serialize(answer);
    EXPECT_EQ(status->code(), Code::protocol_mismatch);
    EXPECT_EQ(order->code(), Code::protocol_mismatch);
  }
}

/// An agent of a later release says more.
TEST(GangMessages, MayHaveFieldsThatThisReleaseDoesNotKnow) {
  auto body = to_json(a_status());
  body["weather"] = "fine";
  EXPECT_EQ(rank_status_from(kAgent, body), a_status());
}

}  // namespace
}  // namespace cardswap::gang
