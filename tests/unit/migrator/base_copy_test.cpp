#include "migrator/engine/source/replay/base_copy.h"

#include <gmock/gmock.h>

#include "tests/unit/migrator/scripted_target.h"

namespace cardswap {
namespace {

using test::ReplayingSource;
using test::TwoShards;
using ::testing::Each;
using ::testing::SizeIs;

class BaseCopyTest : public ::testing::Test {
 protected:
  ReplayingSource source_;
  StateWindow window_;
  BaseCopy copy_{source_.context, window_, source_.shards};
};

/// A step may rewrite the tensors as soon as they are copied aside.
TEST_F(BaseCopyTest, SendsAShardAsItWasWhenItWasCopied) {
  window_.open(5);
  ASSERT_TRUE(copy_.stage_next(5));
  std::ranges::fill(source_.program.a, std::byte{0});
  EXPECT_EQ(source_.shards[0].copied_at, 5U);
  int between = 0;
  copy_.send_staged([&] { ++between; });
  const auto& sent = source_.target->payloads;
  ASSERT_THAT(sent, SizeIs(2)) << "a chunk and a half";
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto& header = std::get<data::ChunkHeader>(sent[i].what);
    EXPECT_EQ(header.chunk, static_cast<ChunkId>(i));
    EXPECT_EQ(header.round, data::kBaseRound);
    EXPECT_THAT(sent[i].bytes, Each(std::byte{0xaa}));
  }
  EXPECT_THAT(sent[1].bytes, SizeIs(TwoShards::kBytes - ReplayingSource::kChunkBytes));
  EXPECT_EQ(copy_.chunks_sent(), 2U);
  EXPECT_EQ(between, 2);
  EXPECT_EQ(copy_.bytes_left(), TwoShards::kBytes) << "the other one";
}

TEST_F(BaseCopyTest, CopiesNothingWhileAStepIsTakenOrThatIsOlderThanTheLog) {
  EXPECT_FALSE(copy_.stage_next(0));
  window_.open(4);
  EXPECT_FALSE(copy_.stage_next(5)) << "entries of step 5 went without its gradients";
  window_.close();
  window_.open(5);
  EXPECT_TRUE(copy_.stage_next(5));
}

TEST_F(BaseCopyTest, CopiesAheadNoMoreThanTheLogHasSent) {
  window_.open(5);
  copy_.stage_ahead(5, 0);
  EXPECT_FALSE(copy_.has_staged());
  copy_.stage_ahead(5, 1);
  EXPECT_EQ(copy_.bytes_staged(), TwoShards::kBytes);
  copy_.stage_ahead(5, TwoShards::kBytes);
  EXPECT_EQ(copy_.bytes_staged(), TwoShards::kBytes);
  copy_.stage_ahead(5, TwoShards::kBytes + 1);
  EXPECT_EQ(copy_.bytes_staged(), 2 * TwoShards::kBytes);
  EXPECT_EQ(copy_.bytes_left(), 2 * TwoShards::kBytes) << "none of it was sent";
}

TEST_F(BaseCopyTest, CopiesNothingAheadOfAFreeze) {
  window_.open(5);
  source_.context.freeze.put({});
  copy_.stage_ahead(5, 1000);
  EXPECT_FALSE(copy_.has_staged());
}

TEST_F(BaseCopyTest, LeavesWhatItDropsToTheFrozenState) {
  window_.open(5);
  ASSERT_TRUE(copy_.stage_next(5));
  copy_.drop_staged();
  EXPECT_FALSE(source_.shards[0].copied_at) << "the target does not follow it";
  EXPECT_EQ(copy_.bytes_staged(), 0U);
}

TEST_F(BaseCopyTest, SendsNoShardThatIsGone) {
  window_.open(5);
  ASSERT_TRUE(copy_.stage_next(5));
  ASSERT_TRUE(copy_.stage_next(5));
  source_.shards[0].gone = true;
  copy_.drop_gone();
  EXPECT_EQ(copy_.bytes_staged(), TwoShards::kBytes);
  copy_.send_staged([] {});
  EXPECT_THAT(source_.target->payloads[0].bytes, Each(std::byte{0xbb}));
  EXPECT_FALSE(copy_.has_staged());
}

}  // namespace
}  // namespace cardswap
