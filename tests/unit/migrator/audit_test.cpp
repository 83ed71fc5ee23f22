#include "migrator/engine/source/replay/audit.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kChunk = 4096;

Digest digest(std::uint64_t number) { return digest_of(std::as_bytes(std::span(&number, 1))); }

/// Two parameters of two chunks each, that are replayed, and a buffer that no update rewrites.
class CompareAudits : public ::testing::Test {
 protected:
  CompareAudits() {
    const auto begun = shards_.follow(
        chunks_.layout(), {{ParameterId{0}, {RegionId{0}}}, {ParameterId{1}, {RegionId{1}}}}, {});
    for (const auto shard_entry : *begun) shards_[shard_entry].copied_at = 3;
    for (std::uint64_t i = 0; i < chunks_.size(); ++i) here_.push_back(digest(i));
    there_ = here_;
  }
  AuditOutcome compare() { return compare_audits(here_, there_, chunks_, shards_); }

  ChunkMap chunks_{Layout({{"a", "bytes", "", 2 * kChunk},
                           {"b", "bytes", "", 2 * kChunk},
                           {"buffer", "bytes", "", kChunk}}),
                   kChunk};
  ReplayShards shards_;
  std::vector<Digest> here_;
  std::vector<Digest> there_;
};

TEST_F(CompareAudits, FindNothingWhereBothSidesAreEqual) {
  const auto outcome = compare();
  EXPECT_THAT(outcome.missing, IsEmpty());
  EXPECT_THAT(outcome.not_replayed, IsEmpty());
  EXPECT_EQ(chunks_.digest(ChunkId{4}), there_[4]);
  EXPECT_EQ(chunks_.digest(ChunkId{0}), std::nullopt) << "a further update changes it";
}

TEST_F(CompareAudits, SendAShardThatWasNotReproducedByDigestsFromThereOn) {
  there_[2] = digest(77);
  const auto outcome = compare();
  EXPECT_THAT(outcome.not_replayed, ElementsAre(1U));
  EXPECT_THAT(outcome.regions, ElementsAre(RegionId{1}));
  EXPECT_THAT(outcome.missing, ElementsAre(ChunkId{2}));
  EXPECT_TRUE(shards_.replays(RegionId{0}));
  EXPECT_FALSE(shards_.replays(RegionId{1}));
  EXPECT_EQ(chunks_.digest(ChunkId{3}), there_[3]) << "the rest of it goes by digests as well";
}

TEST_F(CompareAudits, NameAShardOnceHoweverManyOfItsChunksDiffer) {
  there_[0] = there_[1] = digest(77);
  const auto outcome = compare();
  EXPECT_THAT(outcome.not_replayed, ElementsAre(0U));
  EXPECT_THAT(outcome.missing, ElementsAre(ChunkId{0}, ChunkId{1}));
}

TEST_F(CompareAudits, SendWhatNoUpdateRewritesAndBlameNoShard) {
  there_[4] = digest(77);
  const auto outcome = compare();
  EXPECT_THAT(outcome.missing, ElementsAre(ChunkId{4}));
  EXPECT_THAT(outcome.not_replayed, IsEmpty());
}

TEST_F(CompareAudits, SendAShardThatIsNotFollowedYet) {
  shards_[0].copied_at.reset();
  there_[0] = digest(77);
  const auto outcome = compare();
  EXPECT_THAT(outcome.missing, ElementsAre(ChunkId{0}));
  EXPECT_THAT(outcome.not_replayed, IsEmpty());
}

}  // namespace
}  // namespace cardswap
