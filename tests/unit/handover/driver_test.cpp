#include "agent/handover/protocol/driver.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/handover/protocol/source_side.h"

namespace cardswap::handover {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A source whose disk may be full, and which writes down what is done.
struct Source final : Executor<SourceSide>, OtherSide {
  std::optional<Error> journal(const SourceSide& next, bool) override {
    done.emplace_back("journal " + std::string(to_string(next.state())));
    return full ? std::optional(Error(Code::io, "no space left on the disk")) : std::nullopt;
  }
  void execute(const Effect& effect, const SourceSide&) noexcept override {
    done.emplace_back(effect.type == Effect::Type::release ? "release" : "other");
    if (again) Driver<SourceSide>(side, *this, *this).apply(*again, {});
  }
  void send(const Message& message) override {
    done.emplace_back(message.kind == Message::Kind::grant ? "grant" : "message");
  }
  std::optional<Error> on(auto event) {
    auto next = side;
    const auto effects = next.on(event);
    return Driver<SourceSide>(side, *this, *this).apply(next, effects);
  }

  explicit Source(SourceState state)
      : side({state, 2, 1}, {Content{{{1}}, 7}, Content{{{1}}, 7}}) {}
  SourceSide side;
  bool full = false;
  std::optional<SourceSide> again;
  std::vector<std::string> done;
};

TEST(Driver, HasTheCommitOnDiskBeforeItSendsTheGrant) {
  Source source(SourceState::verifying);
  EXPECT_FALSE(source.on(SourceEvent::digests_equal));
  EXPECT_THAT(source.done, ElementsAre("journal committed", "grant"));
  EXPECT_EQ(source.side.state(), SourceState::committed);
}

TEST(Driver, DoesNothingOfWhatTheDiskRefuses) {
  Source source(SourceState::verifying);
  source.full = true;
  const auto before = source.side.durable();
  EXPECT_TRUE(source.on(SourceEvent::digests_equal));
  EXPECT_THAT(source.done, ElementsAre("journal committed"));
  EXPECT_EQ(source.side.durable(), before);
}

TEST(Driver, ReleasesATrainerAlthoughTheDiskRefuses) {
  Source source(SourceState::syncing);
  source.full = true;
  EXPECT_FALSE(source.on(SourceEvent::failed));
  EXPECT_THAT(source.done, ElementsAre("journal aborting", "release", "message"));
  EXPECT_EQ(source.side.state(), SourceState::aborting);
}

TEST(Driver, DoesNotSetBackWhatAnEffectDroveOn) {
  Source source(SourceState::syncing);
  source.again = SourceSide({SourceState::aborted, 2, 1});
  EXPECT_FALSE(source.on(SourceEvent::failed));
  EXPECT_EQ(source.side.state(), SourceState::aborted);
}

/// Method: a target that has taken its first step reports it before it was heard to have resumed:
/// two rules apply, and the disk refuses.
TEST(Driver, WritesWhatTwoRulesMakeOfOneMessageOnce) {
  const Message stepped{
      Message::Kind::status, 2, {{{1}}, 7}, Decision::pending, TargetState::completed};
  Source source(SourceState::committed);
  source.full = true;
  EXPECT_TRUE(source.on(stepped));
  EXPECT_EQ(source.side.state(), SourceState::committed);
  source.full = false;
  source.done.clear();
  EXPECT_FALSE(source.on(stepped));
  EXPECT_THAT(source.done, ElementsAre("journal completed", "other"));
}

TEST(Driver, HasOneRecordAnEventAndWritesItFirst) {
  const auto is_record = [](const Effect& effect) { return effect.type == Effect::Type::journal; };
  for (std::size_t i = 0; i < kSourceStates * kTargetStates * 2; ++i) {
    const auto state = static_cast<SourceState>(i / 2 / kTargetStates);
    const auto there = static_cast<TargetState>(i / 2 % kTargetStates);
    const Content content{{{1}}, 7};
    SourceSide side({state, 2, 1, content, true, i % 2 != 0}, {content, content});
    const auto effects =
        side.on(Message{Message::Kind::status, 2, content, Decision::pending, there});
    const auto records = std::count_if(effects.begin(), effects.end(), is_record);
    EXPECT_LE(records, 1) << to_string(state) << ", " << to_string(there);
    EXPECT_TRUE(records == 0 || is_record(*effects.begin())) << to_string(state);
  }
}

TEST(Driver, KeepsWhatIsOnlySeen) {
  Source source(SourceState::freezing);
  EXPECT_FALSE(source.on(
      Message{Message::Kind::status, 2, {{{1}}, 9}, Decision::pending, TargetState::verified}));
  EXPECT_THAT(source.done, IsEmpty());
  EXPECT_EQ(source.side.seen().theirs->step, 9U);
}

}  // namespace
}  // namespace cardswap::handover
