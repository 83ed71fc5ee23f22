/// Method: an executor over ports that write down what is asked of them, and a disk that may
/// refuse.

#include "agent/gang/gang_executor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/handover/protocol/source_side.h"
#include "migrator/base/error.h"

namespace cardswap::gang {
namespace {

using handover::Message;
using handover::TargetState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kConducted = "m-00000001";
constexpr Epoch kNextEpoch = 3;
constexpr std::uint64_t kAgreed = 41;

class ConductorsNotes final : public GangPorts {
 public:
  void save(const GangDurable& next) override {
    if (full) throw Error(Code::io, "no space left on the disk");
    on_disk = next;
    done.push_back(fmt::format("save {}", to_string(next.state)));
  }
  void order(std::uint32_t rank, const Order& order) override {
    if (rank == broken) throw Error(Code::unreachable, "as a test wants it");
    done.push_back(fmt::format("{} to {}", to_string(order.kind), rank));
    last = order;
  }
  void tell(std::uint32_t rank, const Message& message) override {
    done.push_back(fmt::format("message {} to {}", static_cast<int>(message.kind), rank));
    said = message;
  }
  void alert(const GangDurable& gang) override {
    done.push_back(fmt::format("alert {}", to_string(gang.state)));
  }

  [[nodiscard]] std::vector<std::string> take() { return std::exchange(done, {}); }

  bool full = false;
  std::optional<std::uint32_t> broken;
  GangDurable on_disk;
  Order last;
  Message said;
  std::vector<std::string> done;
};

std::string told(Message::Kind kind, std::uint32_t rank) {
  return fmt::format("message {} to {}", static_cast<int>(kind), rank);
}

Content content_of_the_leaver() { return {Digest{{7}}, kAgreed}; }

/// Ranks 0 and 1 stay, rank 2 leaves.
class GangExecutorTest : public ::testing::Test {
 protected:
  [[nodiscard]] GangExecutor in(GangState state) {
    GangDurable record{state, kNextEpoch, 1, kAgreed, false, std::vector<GangRank>(3)};
    record.ranks[2] = {Part::leaves, content_of_the_leaver()};
    return {kConducted, GangSide(record), ports_};
  }
  [[nodiscard]] static RankStatus in(RankState state, const Content& content = {}) {
    return {kNextEpoch, state, kAgreed, content};
  }
  [[nodiscard]] static Message from_newcomer(TargetState state) {
    return {Message::Kind::status, kNextEpoch, content_of_the_leaver(), handover::Decision::pending,
            state};
  }
  /// All but rank 1, the last, are ready.
  [[nodiscard]] GangExecutor about_to_commit() {
    auto gang = in(GangState::freezing);
    gang.hear(2, from_newcomer(TargetState::verified));
    gang.hear(2, in(RankState::ready, content_of_the_leaver()));
    gang.hear(0, in(RankState::ready));
    EXPECT_THAT(ports_.take(), IsEmpty());
    return gang;
  }

  ConductorsNotes ports_;
};

TEST_F(GangExecutorTest, OrdersEachRankThatItIsForAndReservesEachNewcomer) {
  auto gang = in(GangState::planned);
  gang.apply(GangEvent::started);
  EXPECT_THAT(ports_.take(), ElementsAre("save preparing", told(Message::Kind::reserve, 2),
                                         "join to 0", "join to 1", "join to 2"));
}

TEST_F(GangExecutorTest, HasACommitOnDiskBeforeANewcomerIsGranted) {
  auto gang = about_to_commit();
  gang.hear(1, in(RankState::ready));
  EXPECT_THAT(ports_.take(), ElementsAre("save committed", told(Message::Kind::grant, 2)));
  EXPECT_EQ(ports_.on_disk.ranks[2].content, content_of_the_leaver());
  EXPECT_EQ(ports_.said.content, content_of_the_leaver());
}

TEST_F(GangExecutorTest, CommitsNothingThatTheDiskRefuses) {
  auto gang = about_to_commit();
  ports_.full = true;
  EXPECT_THROW(gang.hear(1, in(RankState::ready)), Error);
  EXPECT_THAT(ports_.take(), IsEmpty());
  EXPECT_EQ(gang.side().state(), GangState::freezing);
  ports_.full = false;
  gang.hear(1, in(RankState::ready));
  EXPECT_EQ(gang.side().state(), GangState::committed);
}

TEST_F(GangExecutorTest, LetsNobodyGoBeforeTheGoIsOnDisk) {
  auto gang = in(GangState::committed);
  ports_.full = true;
  EXPECT_THROW(gang.hear(2, from_newcomer(TargetState::granted)), Error);
  EXPECT_THAT(ports_.take(), IsEmpty());
  ports_.full = false;
  gang.hear(2, from_newcomer(TargetState::granted));
  EXPECT_THAT(ports_.take(), ElementsAre("save resumed", "go to 0", "go to 1"));
}

TEST_F(GangExecutorTest, OrdersTheOthersWhereOneCannotBeReached) {
  auto gang = in(GangState::freezing);
  ports_.broken = 0;
  gang.apply(GangEvent::failed);
  EXPECT_THAT(ports_.take(), ElementsAre("save aborting", "release to 1", "release to 2",
                                         told(Message::Kind::drop, 2)));
}

/// What was not committed is given up by a restart: it needs no record.
TEST_F(GangExecutorTest, ReleasesAllAlthoughTheDiskIsFull) {
  auto gang = in(GangState::agreeing);
  ports_.full = true;
  gang.after_restart();
  EXPECT_EQ(gang.side().state(), GangState::aborting);
  EXPECT_THAT(ports_.take(), ElementsAre("release to 0", "release to 1", "release to 2",
                                         told(Message::Kind::drop, 2)));
}

TEST_F(GangExecutorTest, TellsAnOperatorThatItIsInDoubt) {
  auto gang = in(GangState::committed);
  gang.apply(GangEvent::newcomer_silent);
  EXPECT_THAT(ports_.take(), ElementsAre("save in_doubt", "alert in_doubt"));
}

TEST_F(GangExecutorTest, SaysAgainWhatFitsItsState) {
  auto gang = in(GangState::resumed);
  gang.tick(0);
  gang.tick(2);
  gang.tick_newcomer(2);
  EXPECT_THAT(ports_.take(), ElementsAre("go to 0", "wait to 2", told(Message::Kind::grant, 2)));
}

TEST_F(GangExecutorTest, KnowsNoRankThatTheJobDoesNotHave) {
  auto gang = in(GangState::committed);
  gang.tick(3);
  gang.tick_newcomer(3);
  gang.tick_newcomer(0);
  gang.hear(3, in(RankState::ended));
  gang.hear(3, from_newcomer(TargetState::granted));
  gang.hear(0, from_newcomer(TargetState::granted));
  EXPECT_THAT(ports_.take(), IsEmpty());
  EXPECT_EQ(gang.side().state(), GangState::committed);
}

TEST_F(GangExecutorTest, AnswersARankThatAsksWithWhatItIsToHaveDone) {
  EXPECT_EQ(in(GangState::resumed).decision(0, kNextEpoch).kind, Order::Kind::go);
  EXPECT_EQ(in(GangState::resumed).decision(2, kNextEpoch).kind, Order::Kind::wait);
  EXPECT_EQ(in(GangState::committed).decision(0, kNextEpoch).kind, Order::Kind::wait);
  const auto released = in(GangState::aborted).decision(1, kNextEpoch);
  EXPECT_EQ(released.kind, Order::Kind::release);
  EXPECT_EQ(released.own_epoch, 1U);
  const auto refusal_of = [&](std::uint32_t rank, Epoch epoch) {
    try {
      (void)in(GangState::resumed).decision(rank, epoch);
    } catch (const Error& error) {
      return error.code();
    }
    return Code::internal;
  };
  EXPECT_EQ(refusal_of(3, kNextEpoch), Code::not_found);
  EXPECT_EQ(refusal_of(0, kNextEpoch - 1), Code::refused);
}

}  // namespace
}  // namespace cardswap::gang
