#include "migrator/link/ucx/link_table.h"

#include <gmock/gmock.h>

#include <array>

#include "migrator/base/error.h"

namespace cardswap::ucx {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Optional;
using Clock = LinkTable::Clock;

constexpr std::size_t kPeersMax = 16;

class LinkTableTest : public ::testing::Test {
 protected:
  /// The table calls nothing on an endpoint: any address will do.
  ucp_ep* endpoint(std::size_t number) { return reinterpret_cast<ucp_ep*>(&places_.at(number)); }
  LinkId add(bool admitted, Clock::time_point came = Clock::time_point(1h)) {
    return table_.add(endpoint(added_++), admitted, came);
  }

  std::array<char, 32> places_{};
  std::size_t added_ = 0;
  LinkTable table_;
};

TEST_F(LinkTableTest, NumbersPeersInTheOrderInWhichTheyComeAndNoneTwice) {
  EXPECT_EQ(add(true), kServer);
  const auto next = add(true);
  EXPECT_EQ(table_.find(endpoint(1)), next);
  EXPECT_EQ(table_.endpoint_of(next), endpoint(1));
  EXPECT_EQ(table_.remove(next), endpoint(1));
  EXPECT_EQ(table_.remove(next), nullptr) << "its endpoint is closed once";
  EXPECT_EQ(table_.endpoint_of(next), nullptr);
  EXPECT_EQ(table_.find(endpoint(1)), std::nullopt);
  EXPECT_GT(add(true), next);
}

TEST_F(LinkTableTest, IsFullOfSixteen) {
  for (std::size_t i = 0; i < kPeersMax; ++i) {
    EXPECT_FALSE(table_.is_full()) << i;
    add(true);
  }
  EXPECT_TRUE(table_.is_full());
  EXPECT_EQ(table_.longest_not_admitted(), std::nullopt) << "each of them stays";
}

TEST_F(LinkTableTest, TurnsAwayWhoHasWaitedLongestAndNobodyWhoIsAdmitted) {
  const auto came = Clock::time_point(1h);
  const auto first = add(false, came);
  const auto second = add(false, came + 1s);
  table_.admit(first);
  EXPECT_THAT(table_.longest_not_admitted(), Optional(second));
  EXPECT_EQ(table_.overdue(came + 3s), std::nullopt);
  EXPECT_THAT(table_.overdue(came + 4s), Optional(second));
  table_.admit(second);
  EXPECT_EQ(table_.overdue(came + 1h), std::nullopt);
}

TEST_F(LinkTableTest, TakesSixtyFourKibibytesOfWhoHasShownNoTokenAllMessagesTogether) {
  const auto peer = add(false);
  table_.check_control(peer, 64U << 10);
  try {
    table_.check_control(peer, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::bad_request);
    EXPECT_THAT(error.failure(), HasSubstr("who has shown no token"));
  }
  const auto known = add(true);
  table_.check_control(known, 64U << 20);
  table_.check_control(known, 64U << 20);
  EXPECT_THROW(table_.check_control(known, (64U << 20) + 1), Error);
}

TEST_F(LinkTableTest, TellsALossOfWhoIsStillHereInTheOrderOfLosses) {
  const auto first = add(true);
  const auto second = add(true);
  table_.note_loss(second, "reset");
  table_.note_loss(second, "and again");
  table_.note_loss(first, "refused");
  const auto loss = table_.take_loss();
  ASSERT_TRUE(loss);
  EXPECT_EQ(loss->peer, second);
  EXPECT_EQ(loss->why, "reset");
  (void)table_.remove(second);
  const auto next = table_.take_loss();
  ASSERT_TRUE(next);
  EXPECT_EQ(next->peer, first);
  EXPECT_EQ(table_.take_loss(), std::nullopt);
}

}  // namespace
}  // namespace cardswap::ucx
