/// Method: an executor over ports that write down what is asked of them, and a disk that may
/// refuse.

#include "agent/gang/rank_executor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "agent/base/validate.h"
#include "agent/gang/messages.h"
#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kGang = "m-00000001";
constexpr Epoch kEpoch = 3;
constexpr std::uint64_t kStep = 41;

class WrittenDown final : public RankPorts {
 public:
  void save(const RankDurable& next) override {
    if (full) throw Error(Code::io, "no space left on the disk");
    on_disk = next;
    done.push_back(fmt::format("save {}", to_string(next.state)));
  }
  void send(const channel::Message& message) override {
    if (const auto* arm = std::get_if<channel::Arm>(&message)) {
      done.push_back(fmt::format("{} arm {}", arm->gang, arm->step));
    } else if (const auto* check = std::get_if<channel::Check>(&message)) {
      done.push_back(check->gang + " check");
    } else if (const auto* go = std::get_if<channel::SwitchOver>(&message)) {
      done.push_back(fmt::format("{} switch_over {}", go->gang, go->epoch));
    } else if (const auto* close = std::get_if<channel::CloseOld>(&message)) {
      done.push_back(close->gang + " close_old");
    } else if (const auto* release = std::get_if<channel::Release>(&message)) {
      done.push_back(release->migration + " release");
    } else if (const auto* retire = std::get_if<channel::Retire>(&message)) {
      done.push_back(retire->migration + " retire");
    } else {
      done.push_back(fmt::format("message {}", message.index() + 1));
    }
  }
  void build() override { done.emplace_back("build"); }
  void raise_epoch(Epoch epoch) override {
    if (broken) throw Error(Code::internal, "as a test wants it");
    done.push_back(fmt::format("epoch {}", epoch));
  }
  void changed() override { done.emplace_back("changed"); }
  void ask() override { done.emplace_back("ask"); }

  /// What was done since the last call.
  [[nodiscard]] std::vector<std::string> take() { return std::exchange(done, {}); }

  bool full = false;
  bool broken = false;
  RankDurable on_disk;
  std::vector<std::string> done;
};

class RankExecutorTest : public ::testing::Test {
 protected:
  [[nodiscard]] RankExecutor in(RankState state, Part part = Part::stays) {
    return {kGang, RankDurable{state, part, kEpoch, 1, kStep, {}}, ports_};
  }
  [[nodiscard]] static Order ordered(Order::Kind kind, std::uint64_t step = kStep) {
    return {kind, kEpoch, 1, step};
  }

  WrittenDown ports_;
};

TEST_F(RankExecutorTest, LeadsARankThatStaysThroughItsWholeGang) {
  auto rank = in(RankState::training);
  EXPECT_EQ(rank.obey(ordered(Order::Kind::join)).state, RankState::building);
  EXPECT_THAT(ports_.take(), ElementsAre("save building", "build", "changed"));
  EXPECT_TRUE(rank.hear(channel::NextBuilt{kGang, kStep - 3}));
  EXPECT_THAT(ports_.take(), ElementsAre("changed")) << "up to its promise nothing is written";
  EXPECT_EQ(rank.status().step, kStep - 3);
  EXPECT_EQ(rank.obey(ordered(Order::Kind::propose, kStep - 1)).state, RankState::built);
  EXPECT_THAT(ports_.take(), ElementsAre(kGang + " arm 40", "changed"));
  EXPECT_TRUE(rank.hear(channel::Late{kGang, kStep}));
  EXPECT_EQ(rank.status().step, kStep) << "the earliest that is possible";
  (void)rank.obey(ordered(Order::Kind::propose));
  EXPECT_TRUE(rank.hear(channel::Armed{kGang, kStep}));
  EXPECT_TRUE(rank.hear(channel::Reached{kGang, kStep}));
  EXPECT_EQ(rank.status().state, RankState::parked);
  (void)ports_.take();
  EXPECT_EQ(rank.obey(ordered(Order::Kind::freeze)).state, RankState::frozen);
  EXPECT_THAT(ports_.take(), ElementsAre(kGang + " check", "changed"));
  EXPECT_TRUE(rank.hear(channel::Checked{kGang, kStep, Digest{{1}}}));
  EXPECT_THAT(ports_.take(), ElementsAre("save ready", "changed"));
  EXPECT_EQ(ports_.on_disk.content, Content{}) << "it holds nothing for another one";
  EXPECT_EQ(rank.obey(ordered(Order::Kind::go)).state, RankState::switched);
  EXPECT_THAT(ports_.take(),
              ElementsAre("save switched", "epoch 3", kGang + " switch_over 3", "changed"));
  EXPECT_TRUE(rank.hear(channel::FirstStep{kGang, kStep + 1}));
  EXPECT_EQ(rank.status().state, RankState::confirmed);
  EXPECT_THAT(ports_.take(), ElementsAre("changed"));
  EXPECT_EQ(rank.obey(ordered(Order::Kind::finish)).state, RankState::closed);
  EXPECT_THAT(ports_.take(), ElementsAre("save closed", kGang + " close_old", "changed"));
}

TEST_F(RankExecutorTest, PromisesNothingThatTheDiskRefuses) {
  auto rank = in(RankState::frozen, Part::leaves);
  ports_.full = true;
  EXPECT_THROW((void)rank.hear(channel::Checked{kGang, kStep, Digest{{1}}}), Error);
  EXPECT_EQ(rank.status().state, RankState::frozen);
  EXPECT_EQ(rank.durable().content, Content{});
  EXPECT_THAT(ports_.take(), IsEmpty());
  ports_.full = false;
  EXPECT_TRUE(rank.hear(channel::Checked{kGang, kStep, Digest{{1}}}));
  EXPECT_EQ(rank.status().state, RankState::ready);
  EXPECT_EQ(ports_.on_disk.content, (Content{Digest{{1}}, kStep}));
}

TEST_F(RankExecutorTest, SwitchesNothingThatTheDiskRefuses) {
  auto rank = in(RankState::ready);
  ports_.full = true;
  EXPECT_THROW((void)rank.obey(ordered(Order::Kind::go)), Error);
  EXPECT_THAT(ports_.take(), IsEmpty());
  EXPECT_EQ(rank.status().state, RankState::ready);
}

/// What needs no record is done although the disk is full.
TEST_F(RankExecutorTest, ReleasesARankAlthoughTheDiskIsFull) {
  auto rank = in(RankState::frozen);
  ports_.full = true;
  EXPECT_EQ(rank.obey(Order{Order::Kind::release, kEpoch, 4, kStep}).state, RankState::rolled_back);
  EXPECT_THAT(ports_.take(), ElementsAre("epoch 4", kGang + " release", "changed"));
}

TEST_F(RankExecutorTest, ReleasesARankWhoseCheckOrCommunicatorFailed) {
  for (const auto& message : std::vector<channel::Message>{
           channel::CheckFailed{kGang, Code::link_lost, "no answer", ""},
           channel::Failed{kGang, Code::link_lost, "no answer", "", false}}) {
    auto rank = in(RankState::frozen);
    EXPECT_TRUE(rank.hear(message));
    EXPECT_THAT(ports_.take(),
                ElementsAre("save rolled_back", "epoch 1", kGang + " release", "changed"));
  }
}

TEST_F(RankExecutorTest, DoesWhatFollowsWhereOneEffectFails) {
  auto rank = in(RankState::built);
  ports_.broken = true;
  (void)rank.obey(ordered(Order::Kind::release));
  EXPECT_THAT(ports_.take(), ElementsAre("save rolled_back", "changed"));
  EXPECT_EQ(rank.status().state, RankState::rolled_back);
}

TEST_F(RankExecutorTest, HearsNothingOfAnotherGangAndNoStepThatIsNone) {
  for (const auto state : {RankState::building, RankState::built, RankState::frozen}) {
    for (const auto& message : std::vector<channel::Message>{
             channel::NextBuilt{"m-00000002", kStep}, channel::Armed{"m-00000002", kStep},
             channel::Late{"m-00000002", kStep}, channel::Reached{"m-00000002", kStep},
             channel::Checked{"m-00000002", kStep, {}}, channel::FirstStep{"m-00000002", kStep},
             channel::CheckFailed{"m-00000002", Code::io, "", ""},
             channel::Failed{"m-00000002", Code::io, "", "", false},
             channel::Checked{kGang, kStep + 1, {}},
             channel::NextBuilt{kGang, validate::kStepMax + 1},
             channel::Armed{kGang, validate::kStepMax + 1}, channel::Late{kGang, ~std::uint64_t{0}},
             channel::Stepped{kStep, 1}}) {
      auto rank = in(state);
      EXPECT_FALSE(rank.hear(message)) << message.index() + 1;
      EXPECT_EQ(rank.status().state, state);
      EXPECT_EQ(rank.status().step, kStep);
      EXPECT_THAT(ports_.take(), IsEmpty());
    }
  }
}

TEST_F(RankExecutorTest, AnswersAnOrderOfAnotherGangWithItsOwnAndDoesNothing) {
  auto rank = in(RankState::ready);
  const auto status = rank.obey(Order{Order::Kind::release, kEpoch + 1, 9, kStep});
  EXPECT_EQ(status.epoch, kEpoch);
  EXPECT_EQ(status.state, RankState::ready);
  EXPECT_THAT(ports_.take(), IsEmpty());
}

TEST_F(RankExecutorTest, AsksItsConductorAfterARestartAndGoesBackBeforeItHasPromised) {
  auto promised = in(RankState::ready);
  promised.after_restart();
  EXPECT_THAT(ports_.take(), ElementsAre("ask"));
  auto open = in(RankState::frozen);
  open.after_restart();
  EXPECT_THAT(ports_.take(),
              ElementsAre("save rolled_back", "epoch 1", kGang + " release", "changed"));
}

TEST_F(RankExecutorTest, TellsARuntimeThatAttachesWhatItMayHaveMissed) {
  auto rank = in(RankState::switched);
  rank.attached();
  EXPECT_THAT(ports_.take(), ElementsAre("epoch 3", kGang + " switch_over 3"));
  auto leaver = in(RankState::retired, Part::leaves);
  leaver.attached();
  EXPECT_THAT(ports_.take(), ElementsAre(kGang + " retire"));
}

}  // namespace
}  // namespace cardswap::gang
