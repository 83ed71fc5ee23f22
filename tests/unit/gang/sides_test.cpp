#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/gang/protocol/gang_side.h"
#include "agent/gang/protocol/rank_side.h"
#include "agent/handover/protocol/driver.h"
#include "agent/handover/protocol/source_side.h"

namespace cardswap::gang {
namespace {

using handover::Message;
using handover::TargetState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Epoch kEpoch = 2;
constexpr std::uint64_t kStep = 7;

Content some_content() {
  Content content;
  content.state_digest.bytes[0] = 1;
  content.step = kStep;
  return content;
}

/// Rank 0 stays, rank 1 leaves.
GangSide a_gang(GangState state) {
  GangDurable record{state, kEpoch, 1, kStep, false, std::vector<GangRank>(2)};
  record.ranks[1] = {Part::leaves, some_content()};
  return GangSide(record);
}

Message from_newcomer(TargetState state, const Content& content = some_content()) {
  return {Message::Kind::status, kEpoch, content, handover::Decision::pending, state};
}

RankSide a_rank(RankState state, Part part = Part::stays) {
  return RankSide({state, part, kEpoch, 1, kStep, {}});
}

/// What a side asks of its agent, one name an effect.
std::vector<std::string> names_of(const GangEffects& effects) {
  std::vector<std::string> names;
  for (const auto& effect : effects) {
    switch (effect.type) {
      case GangEffect::Type::journal: names.emplace_back("journal"); break;
      case GangEffect::Type::order: names.emplace_back(to_string(effect.order)); break;
      case GangEffect::Type::tell: names.emplace_back("tell"); break;
      case GangEffect::Type::alert_operator: names.emplace_back("alert"); break;
    }
  }
  return names;
}

TEST(GangSide, IgnoresARankThatTheJobDoesNotHave) {
  auto gang = a_gang(GangState::freezing);
  EXPECT_THAT(names_of(gang.on(2, RankStatus{kEpoch, RankState::ended, kStep, {}})), IsEmpty());
  EXPECT_THAT(names_of(gang.on(2, from_newcomer(TargetState::failed))), IsEmpty());
  EXPECT_EQ(gang.state(), GangState::freezing);
}

TEST(GangEffects, WriteTheRecordOnceForOneEventAndWhatItLeadsTo) {
  GangEffects effects;
  effects.add({.type = GangEffect::Type::journal, .required = false});
  effects.add({.type = GangEffect::Type::tell});
  GangEffects more;
  more.add({.type = GangEffect::Type::journal, .required = true});
  more.add({.type = GangEffect::Type::alert_operator});
  effects.append(more);
  EXPECT_THAT(names_of(effects), ElementsAre("journal", "tell", "alert"));
  EXPECT_TRUE(effects.begin()->required);
}

TEST(GangSide, IgnoresAnotherGang) {
  auto gang = a_gang(GangState::freezing);
  EXPECT_THAT(names_of(gang.on(0, RankStatus{kEpoch - 1, RankState::ended, kStep, {}})), IsEmpty());
  auto old = from_newcomer(TargetState::failed);
  old.epoch = kEpoch - 1;
  EXPECT_THAT(names_of(gang.on(1, old)), IsEmpty());
  EXPECT_EQ(gang.state(), GangState::freezing);
}

TEST(GangSide, CommitsWhenTheLastRankIsReady) {
  auto gang = a_gang(GangState::freezing);
  EXPECT_THAT(names_of(gang.on(1, from_newcomer(TargetState::verified))), IsEmpty());
  EXPECT_THAT(names_of(gang.on(1, RankStatus{kEpoch, RankState::ready, kStep, some_content()})),
              IsEmpty());
  EXPECT_THAT(names_of(gang.on(0, RankStatus{kEpoch, RankState::ready, kStep, {}})),
              ElementsAre("journal", "tell"));
  EXPECT_EQ(gang.state(), GangState::committed);
  EXPECT_EQ(gang.durable().ranks[1].content, some_content());
}

/// Only a keeper stores, and a gang has none.
TEST(GangSide, TakesANewcomerThatStoresForNone) {
  auto before = a_gang(GangState::freezing);
  (void)before.on(1, from_newcomer(TargetState::stored));
  EXPECT_EQ(before.state(), GangState::aborting);
  auto after = a_gang(GangState::committed);
  EXPECT_THAT(names_of(after.on(1, from_newcomer(TargetState::stored))),
              ElementsAre("journal", "alert"));
  EXPECT_EQ(after.state(), GangState::in_doubt);
}

TEST(GangSide, BelievesTheEndOfANewcomerOnlyOfThatWhichHeldTheCommittedBytes) {
  auto other = a_gang(GangState::committed);
  (void)other.on(1, from_newcomer(TargetState::failed, Content{}));
  EXPECT_EQ(other.state(), GangState::in_doubt);
  auto gang = a_gang(GangState::committed);
  (void)gang.on(1, from_newcomer(TargetState::failed));
  EXPECT_EQ(gang.state(), GangState::reclaiming);
  EXPECT_EQ(gang.durable().own_epoch, kEpoch + 1);
}

TEST(GangSide, GoesOnUnderAHigherEpochThanANewcomersWhenAnOperatorTakesTheJobBack) {
  auto gang = a_gang(GangState::in_doubt);
  (void)gang.on(GangEvent::forced_to_source);
  EXPECT_EQ(gang.state(), GangState::aborting);
  EXPECT_TRUE(gang.durable().notice_pending);
  EXPECT_EQ(gang.durable().own_epoch, kEpoch + handover::kForcedLead);
  EXPECT_EQ(gang.message(1, Message::Kind::drop).epoch, kEpoch + handover::kForcedLead);
}

TEST(GangSide, DoesNotGoBackToALateReport) {
  auto gang = a_gang(GangState::agreeing);
  (void)gang.on(0, RankStatus{kEpoch, RankState::armed, kStep, {}});
  (void)gang.on(0, RankStatus{kEpoch, RankState::built, kStep - 1, {}});
  EXPECT_EQ(gang.heard()[0].state, RankState::armed);
  EXPECT_EQ(gang.heard()[0].step, kStep);
}

TEST(GangSide, ProposesAStepThatEachRankCanStillReach) {
  auto gang = a_gang(GangState::agreeing);
  EXPECT_THAT(names_of(gang.on(0, RankStatus{kEpoch, RankState::built, kStep + 3, {}})),
              ElementsAre("propose"));
  EXPECT_EQ(gang.order(Order::Kind::propose).step, kStep + 3 + 2);
}

TEST(RankSide, AnswersEachOrderOfItsGangAndNoOther) {
  auto rank = a_rank(RankState::ready);
  const auto wait = rank.on(Order{Order::Kind::wait, kEpoch, 1, kStep});
  ASSERT_EQ(wait.size(), 1U);
  EXPECT_EQ(wait.begin()->type, RankEffect::Type::report);
  EXPECT_TRUE(rank.on(Order{Order::Kind::release, kEpoch - 1, 1, kStep}).empty());
  EXPECT_EQ(rank.state(), RankState::ready);
}

TEST(RankSide, GoesOnlyIfItStaysAndRetiresOnlyIfItLeaves) {
  auto stays = a_rank(RankState::ready);
  (void)stays.on(Order{Order::Kind::retire, kEpoch, 1, kStep});
  EXPECT_EQ(stays.state(), RankState::ready);
  (void)stays.on(Order{Order::Kind::go, kEpoch, 1, kStep});
  EXPECT_EQ(stays.state(), RankState::switched);
  auto leaves = a_rank(RankState::ready, Part::leaves);
  (void)leaves.on(Order{Order::Kind::go, kEpoch, 1, kStep});
  EXPECT_EQ(leaves.state(), RankState::ready);
  (void)leaves.on(Order{Order::Kind::retire, kEpoch, 1, kStep});
  EXPECT_EQ(leaves.state(), RankState::retired);
}

TEST(RankSide, DoesNotPromiseWhatTheDiskRefuses) {
  auto rank = a_rank(RankState::frozen);
  auto next = rank;
  const auto effects = next.checked({});
  bool acted = false;
  const auto refused = handover::drive(
      rank, next, effects,
      [](bool) { return std::optional(Error(Code::io, "no space left on the disk")); },
      [&](const RankEffect&) { acted = true; });
  EXPECT_TRUE(refused);
  EXPECT_FALSE(acted);
  EXPECT_EQ(rank.state(), RankState::frozen);
}

}  // namespace
}  // namespace cardswap::gang
