#include "migrator/engine/source/replay/log_shipper.h"

#include <gmock/gmock.h>

#include "tests/unit/migrator/scripted_target.h"

namespace cardswap {
namespace {

using test::ReplayingSource;
using test::TwoShards;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LogShipperTest : public ::testing::Test {
 protected:
  /// Appends an entry of both parameters' gradients and ships it.
  void ship(std::uint64_t step) {
    log_.set_bytes_max(1 << 20);  // nobody here makes room for a step that waits
    log_.append(ReplayingSource::entry(
        step, {ReplayingSource::gradient(0, 1), ReplayingSource::gradient(1, 2)}));
    shipper_.send(log_.take().value(), kBaseChunks, [this] { ++between_; });
  }
  [[nodiscard]] data::Update latest_update() const {
    return source_.target->heard_of<data::Update>().back();
  }
  /// Has the source hear what the target says.
  void listen() { source_.context.connection.progress({}); }

  static constexpr std::uint64_t kBaseChunks = 3;
  ReplayingSource source_;
  UpdateLog log_{[] {}};
  LogShipper shipper_{source_.context, log_, source_.shards};
  int between_ = 0;
};

TEST_F(LogShipperTest, SendsTheGradientsOfShardsThatTheTargetFollows) {
  source_.shards[1].copied_at = 6;
  ship(7);
  const auto update = latest_update();
  EXPECT_EQ(update.number, 1U);
  EXPECT_EQ(update.step, 7U);
  EXPECT_EQ(update.base_chunks, kBaseChunks);
  ASSERT_THAT(update.gradients, SizeIs(1));
  EXPECT_EQ(update.gradients[0].parameter, 1U);
  EXPECT_EQ(update.gradients[0].bytes, TwoShards::kBytes);
  const auto& sent = source_.target->payloads;
  ASSERT_THAT(sent, SizeIs(2)) << "pieces of four floats";
  std::vector<std::uint64_t> offsets;
  for (const auto& payload : sent) {
    const auto& header = std::get<data::GradientHeader>(payload.what);
    EXPECT_EQ(header.update, 1U);
    EXPECT_EQ(header.gradient, 0U);
    offsets.push_back(header.offset);
  }
  EXPECT_THAT(offsets, ElementsAre(0U, ReplayingSource::kChunkBytes));
  EXPECT_EQ(shipper_.stats().log_bytes, TwoShards::kBytes);
  EXPECT_EQ(shipper_.gradients().latest_step(), 7U);
  EXPECT_EQ(between_, 3) << "behind the entry and each piece";
}

/// A copy of the step has what the step's gradients did to it.
TEST_F(LogShipperTest, SendsNoGradientOfAStepThatTheCopyHas) {
  source_.shards[0].copied_at = 7;
  ship(7);
  EXPECT_THAT(latest_update().gradients, IsEmpty());
  EXPECT_THAT(source_.target->payloads, IsEmpty());
  ship(8);
  EXPECT_THAT(latest_update().gradients, SizeIs(1));
  EXPECT_EQ(latest_update().number, 2U);
}

TEST_F(LogShipperTest, MakesRoomForWhatTheTargetHasReplayed) {
  ship(7);
  ship(8);
  shipper_.release_replayed();
  EXPECT_EQ(shipper_.stats().log_lag_bytes, 4 * TwoShards::kBytes);
  source_.target->say(data::Replayed{1, 5});
  listen();
  shipper_.release_replayed();
  EXPECT_EQ(shipper_.stats().log_lag_bytes, 2 * TwoShards::kBytes);
  EXPECT_EQ(shipper_.stats().replay_ms, 5);
  EXPECT_FALSE(shipper_.all_are_replayed());
  source_.target->say(data::Replayed{2, 1});
  listen();
  shipper_.release_replayed();
  EXPECT_EQ(log_.stats().held_bytes, 0U);
  EXPECT_TRUE(shipper_.all_are_replayed());
  EXPECT_GT(shipper_.stats().replay_ms, 1) << "a long one is forgotten slowly";
}

TEST_F(LogShipperTest, TellsTheLogThatAnEntryHasGone) {
  log_.set_wait_max(std::chrono::milliseconds(1));
  log_.append(ReplayingSource::entry(7, {ReplayingSource::gradient(0, 1)}));
  log_.wait_until_sent(7);
  EXPECT_FALSE(log_.stats().all_sent);
  shipper_.send(log_.take().value(), 0, [] {});
  log_.wait_until_sent(8);
  EXPECT_TRUE(log_.stats().all_sent);
}

TEST_F(LogShipperTest, SendsTheRestOfAGradientThatWentAheadInPart) {
  source_.shards[0].copied_at = 6;
  shipper_.set_early(true);
  ASSERT_TRUE(log_.append_early(7, ParameterId{0}, TwoShards::kBytes,
                                [] { return ReplayingSource::gradient(0, 1); }));
  ASSERT_TRUE(shipper_.send_early_piece());
  ship(7);
  const auto update = latest_update();
  ASSERT_THAT(update.gradients, SizeIs(1));
  EXPECT_EQ(update.gradients[0].early, 1U);
  const auto& sent = source_.target->payloads;
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(std::get<data::EarlyHeader>(sent[0].what).offset, 0U);
  EXPECT_EQ(std::get<data::EarlyHeader>(sent[1].what).offset, ReplayingSource::kChunkBytes);
  EXPECT_EQ(shipper_.stats().log_bytes, TwoShards::kBytes) << "each byte once";
}

TEST_F(LogShipperTest, TimesEntriesOnceTheBaseCopyHasNoPartInIt) {
  source_.shards[0].copied_at = 6;
  ship(7);
  EXPECT_EQ(shipper_.gradients().usual_sent_ms(), 0);
  shipper_.set_early(true);
  ship(8);
  EXPECT_GT(shipper_.gradients().usual_sent_ms(), 0);
}

}  // namespace
}  // namespace cardswap
