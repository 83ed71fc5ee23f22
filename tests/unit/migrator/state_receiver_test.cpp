/// A state is received with no link at all: the test is the one that sends.

#include "migrator/engine/target/state_receiver.h"

#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <utility>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kChunk = 4096;
using Bytes = std::vector<std::byte>;

/// Makes memory for whatever layout it is asked for, but for `fixed`, which it cannot change.
class Program final : public TargetProgram {
 public:
  StateView adopt(const Layout& wanted) override {
    if (before_adopting) before_adopting();
    StateView view;
    view.layout = fixed.value_or(wanted);
    std::map<std::string, std::shared_ptr<Bytes>> now;
    for (const auto& region : view.layout.regions()) {
      auto& bytes = now[region.name] = memory[region.name];
      if (!bytes || bytes->size() != region.bytes) bytes = std::make_shared<Bytes>(region.bytes);
      view.memory.emplace_back(*bytes);
      view.keep_alive.push_back(bytes);
      view.devices.push_back(shared_cpu_device());
    }
    memory = std::move(now);
    return view;
  }
  std::vector<std::byte> apply_values(std::span<const std::byte>) override { return {}; }
  std::vector<std::optional<Digest>> held_elsewhere(std::uint64_t) override { return elsewhere; }

  std::vector<std::optional<Digest>> elsewhere;
  std::map<std::string, std::shared_ptr<Bytes>> memory;
  std::optional<Layout> fixed;
  std::function<void()> before_adopting;
};

Layout layout(std::vector<std::pair<std::string, std::uint64_t>> regions) {
  std::vector<Region> result;
  for (auto& [name, bytes] : regions) result.push_back({name, "bytes", "", bytes});
  return Layout(std::move(result));
}

class StateReceiverTest : public ::testing::Test {
 protected:
  StateReceiverTest() { payloads_.begin(kChunk); }

  struct UnderWay {
    data::ChunkHeader header;
    std::vector<std::byte> encoded;
    std::span<std::byte> place;
  };
  UnderWay begin(std::uint32_t chunk, std::uint32_t round, std::size_t bytes = kChunk) {
    UnderWay result{{ChunkId{chunk}, round}, {}, {}};
    result.encoded = data::encode(data::PayloadHeader{result.header});
    const auto range = state_.reserve(result.header, bytes);
    result.place = payloads_.reserve(result.encoded, {}, bytes, range);
    return result;
  }
  void land(const UnderWay& under_way, std::uint8_t fill) {
    std::ranges::fill(under_way.place, static_cast<std::byte>(fill));
    payloads_.on_received(under_way.encoded, {}, under_way.place.size());
    state_.on_received(under_way.header);
  }
  void finish_round_digests() {
    while (!state_.digest_received(true)) {
      ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
    }
  }
  void digest_all() {
    state_.digest_all(false);
    while (!state_.take_all()) ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  }
  static Digest digest_of_filled(std::uint8_t fill, std::size_t bytes = kChunk) {
    return digest_of(Bytes(bytes, static_cast<std::byte>(fill)));
  }

  Program program_;
  std::counting_semaphore<> woken_{0};
  PayloadReceiver payloads_{[](MemoryKind) { return 0; }};
  std::function<void()> meanwhile_;  // once, while the program makes memory
  bool woken_in_time_ = true;
  std::function<void()> after_wake_;
  StateReceiver state_{program_, payloads_,
                       [this] {
                         woken_.release();
                         if (after_wake_) after_wake_();
                       },
                       [this] {
                         if (const auto act = std::exchange(meanwhile_, nullptr)) act();
                         woken_in_time_ = woken_.try_acquire_for(std::chrono::seconds(10));
                       }};
};

TEST_F(StateReceiverTest, AnswersARoundWithTheDigestsOfWhatLandedInIt) {
  state_.adopt(layout({{"a", 2 * kChunk}, {"b", 10}}), kChunk);
  land(begin(1, 7), 3);
  land(begin(2, 7, 10), 4);
  EXPECT_EQ(state_.received_in(7), 2U);
  EXPECT_FALSE(state_.is_between_rounds());
  finish_round_digests();
  const auto answer = state_.end_round(7);
  EXPECT_EQ(answer.round, 7U);
  EXPECT_FALSE(answer.final);
  ASSERT_THAT(answer.chunks, SizeIs(2));
  EXPECT_EQ(answer.chunks[0], (std::pair{ChunkId{1}, digest_of_filled(3)}));
  EXPECT_EQ(answer.chunks[1], (std::pair{ChunkId{2}, digest_of_filled(4, 10)}));
  EXPECT_TRUE(state_.is_between_rounds());
  EXPECT_EQ((*program_.memory["a"])[kChunk], std::byte{3}) << "it is the program's memory";
}

/// A replay's freeze is digested before everything has landed that went before it.
TEST_F(StateReceiverTest, DigestsABaseCopyAgainThatLandsBehindTheDigestOfAFrozenSource) {
  state_.adopt(layout({{"a", kChunk}}), kChunk);
  const auto digests_of = [&](bool frozen) {
    state_.digest_all(false, frozen);
    while (!state_.take_all()) EXPECT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
    land(begin(0, data::kBaseRound), frozen ? 8 : 7);
    finish_round_digests();
    return state_.digests().at(0);
  };
  EXPECT_EQ(digests_of(false), digest_of_filled(0)) << "an audit takes the next one";
  EXPECT_EQ(digests_of(true), digest_of_filled(8));
  EXPECT_TRUE(state_.is_between_rounds());
}

/// A chunk is elsewhere until its first bytes may be on their way.
TEST_F(StateReceiverTest, SaysOfChunksThatAreElsewhereWhatTheProgramSays) {
  program_.elsewhere = {Digest{{1}}, std::nullopt, Digest{{3}}};
  state_.adopt(layout({{"a", 2 * kChunk}, {"b", 10}}), kChunk);
  digest_all();
  EXPECT_THAT(state_.digests(),
              ::testing::ElementsAre(Digest{{1}}, digest_of_filled(0), Digest{{3}}));
  land(begin(2, 1, 10), 4);
  finish_round_digests();
  (void)state_.end_round(1);
  EXPECT_THAT(state_.elsewhere(), ::testing::ElementsAre(ChunkId{0}));
  digest_all();
  EXPECT_THAT(state_.digests(),
              ::testing::ElementsAre(Digest{{1}}, digest_of_filled(0), digest_of_filled(4, 10)));
}

TEST_F(StateReceiverTest, DigestsAChunkThatComesWhileTheOthersAreDigested) {
  program_.elsewhere = {Digest{{1}}, std::nullopt};
  state_.adopt(layout({{"a", 2 * kChunk}}), kChunk);
  state_.digest_all(false, true);
  land(begin(0, 1), 5);
  while (!state_.take_all()) ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  finish_round_digests();
  EXPECT_THAT(state_.digests(), ::testing::ElementsAre(digest_of_filled(5), digest_of_filled(0)));
  EXPECT_THAT(state_.elsewhere(), ::testing::IsEmpty());
}

TEST_F(StateReceiverTest, RefusesChunksThatItsLayoutDoesNotHave) {
  EXPECT_THROW((void)begin(0, 1), Error) << "before any layout";
  state_.adopt(layout({{"a", kChunk}}), kChunk);
  EXPECT_THROW((void)begin(1, 1), Error) << "past the end";
  EXPECT_THROW((void)begin(0, 1, kChunk - 1), Error) << "shorter than the chunk";
}

TEST_F(StateReceiverTest, IsWholeUntilSomethingElseChangesTheMemory) {
  state_.adopt(layout({{"a", kChunk}, {"b", kChunk}}), kChunk);
  EXPECT_FALSE(state_.is_whole());
  digest_all();
  EXPECT_TRUE(state_.is_whole());
  land(begin(1, 1), 9);
  finish_round_digests();
  const auto answer = state_.end_final_round(1, digest_of_filled(1));
  EXPECT_TRUE(answer.final);
  ASSERT_THAT(answer.chunks, SizeIs(2)) << "all of the state";
  EXPECT_EQ(answer.chunks[1].second, digest_of_filled(9));
  EXPECT_EQ(answer.values, digest_of_filled(1));
  EXPECT_EQ(state_.state_digest(answer.values),
            data::state_digest_of(state_.chunks().layout(), state_.digests(), answer.values));
  state_.distrust();
  EXPECT_FALSE(state_.is_whole());
}

TEST_F(StateReceiverTest, KeepsBytesAndDigestsOfWhatAnAmendedLayoutStillHas) {
  state_.adopt(layout({{"a", kChunk}, {"b", kChunk}}), kChunk);
  land(begin(1, 1), 5);
  finish_round_digests();
  (void)state_.end_round(1);
  state_.amend(layout({{"new", kChunk}, {"b", kChunk}}));
  EXPECT_EQ(state_.chunks().digest(ChunkId{0}), std::nullopt);
  EXPECT_EQ(state_.chunks().digest(ChunkId{1}), digest_of_filled(5));
  EXPECT_EQ((*program_.memory["b"])[0], std::byte{5});
}

TEST_F(StateReceiverTest, KeepsDroppedMemoryWhileAChunkMayStillLandThere) {
  state_.adopt(layout({{"a", kChunk}}), kChunk);
  const std::weak_ptr<Bytes> former = program_.memory["a"];
  const auto late = begin(0, 1);
  state_.adopt(layout({{"a", 2 * kChunk}}), kChunk);
  EXPECT_FALSE(former.expired());
  land(late, 8);
  EXPECT_TRUE(former.expired());
  EXPECT_EQ((*program_.memory["a"])[0], std::byte{0});
}

TEST_F(StateReceiverTest, CountsNothingForANewLayoutThatLandsWhileItsMemoryIsMade) {
  state_.adopt(layout({{"a", kChunk}}), kChunk);
  const auto late = begin(0, data::kBaseRound);
  std::binary_semaphore landed{0};
  program_.before_adopting = [&] { landed.acquire(); };
  meanwhile_ = [&] {
    land(late, 8);
    landed.release();
  };
  state_.adopt(layout({{"a", 2 * kChunk}}), kChunk);
  EXPECT_EQ(state_.received_in(data::kBaseRound), 0U);
}

/// A wake that comes before the memory can be taken lets the target wait for nothing, in the
/// downtime. Method: the thread that wakes is held up right after it, until somebody waits again.
TEST_F(StateReceiverTest, IsWokenWhenTheMemoryIsThereAndNotBefore) {
  std::counting_semaphore<> waits{0};
  meanwhile_ = [&] { meanwhile_ = [&] { waits.release(); }; };
  after_wake_ = [&] { (void)waits.try_acquire_for(std::chrono::milliseconds(100)); };
  state_.adopt(layout({{"a", kChunk}}), kChunk);
  EXPECT_TRUE(woken_in_time_);
}

TEST_F(StateReceiverTest, SaysWhatTheProgramCannotFollow) {
  program_.fixed = layout({{"a", kChunk}});
  try {
    state_.adopt(layout({{"a", kChunk}, {"classifier", 8}}), kChunk);
    FAIL() << "took it";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::layout_differs);
    EXPECT_THAT(error.failure(), HasSubstr("classifier"));
  }
}

}  // namespace
}  // namespace cardswap
