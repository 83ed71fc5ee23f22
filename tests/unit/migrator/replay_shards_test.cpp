#include "migrator/engine/source/replay/replay_shards.h"

#include <gmock/gmock.h>

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

Region region(const std::string& name, std::uint64_t bytes = 10) {
  return {name, "Float", "", bytes};
}
Shard shard(std::uint32_t parameter, std::vector<std::uint32_t> regions) {
  Shard result{static_cast<ParameterId>(parameter), {}};
  for (const auto one : regions) result.regions.push_back(static_cast<RegionId>(one));
  return result;
}

class ReplayShardsTest : public ::testing::Test {
 protected:
  std::optional<std::vector<std::size_t>> follow(const Layout& now,
                                                 const std::vector<Shard>& shards) {
    const auto kept = kept_regions(layout_, now);
    layout_ = now;
    return shards_.follow(now, shards, kept);
  }
  Layout layout_;
  ReplayShards shards_;
};

TEST_F(ReplayShardsTest, KeepWhatTheyKnowWhenAnotherShardsStateComes) {
  ASSERT_THAT(follow(Layout({region("a"), region("b"), region("m.a")}), {shard(0, {0, 2})}),
              Optional(ElementsAre(0U)));
  shards_[0].copied_at = 7;
  // The new one's state lies in front of the old one's: every id behind it is another.
  ASSERT_THAT(follow(Layout({region("b"), region("m.b"), region("a"), region("m.a")}),
                     {shard(0, {2, 3}), shard(1, {0, 1})}),
              Optional(ElementsAre(1U)));
  EXPECT_THAT(shards_[0].copied_at, Optional(7U));
  EXPECT_THAT(shards_[0].shard.regions, ElementsAre(RegionId{2}, RegionId{3}));
  EXPECT_THAT(shards_.find(RegionId{3}), Optional(0U));
  EXPECT_THAT(shards_.find(ParameterId{1}), Optional(1U));
  EXPECT_FALSE(shards_[1].is_replayed());
  EXPECT_EQ(shards_.bytes_to_copy(), 20U);
}

TEST_F(ReplayShardsTest, BeginAnewWhenTheirOwnRegionsChange) {
  const auto both = {shard(0, {0, 1}), shard(1, {2, 3})};
  ASSERT_TRUE(follow(Layout({region("a"), region("m.a"), region("b"), region("m.b")}), both));
  shards_[0].copied_at = shards_[1].copied_at = 7;
  shards_[1].by_digests = true;
  // The first has gained one, and the second has another size.
  ASSERT_THAT(
      follow(Layout({region("a"), region("m.a"), region("v.a"), region("b"), region("m.b", 11)}),
             {shard(0, {0, 1, 2}), shard(1, {3, 4})}),
      Optional(ElementsAre(2U, 3U)));
  EXPECT_TRUE(shards_[0].gone && shards_[1].gone);
  EXPECT_FALSE(shards_[2].copied_at || shards_[3].by_digests);
  EXPECT_EQ(shards_.bytes_to_copy(), 30U + 21U);
}

TEST_F(ReplayShardsTest, AreGoneWithTheirShards) {
  ASSERT_TRUE(follow(Layout({region("a"), region("m.a")}), {shard(0, {0, 1})}));
  shards_[0].copied_at = 7;
  ASSERT_TRUE(follow(Layout({region("a")}), {}));
  EXPECT_TRUE(shards_[0].gone);
  EXPECT_FALSE(shards_.find(RegionId{0}) || shards_.find(ParameterId{0}));
  EXPECT_EQ(shards_.bytes_to_copy(), 0U);
}

TEST_F(ReplayShardsTest, GiveASharedRegionToTheFirstShardThatHasIt) {
  ASSERT_TRUE(follow(Layout({region("tied"), region("m")}), {shard(0, {0}), shard(1, {0, 1})}));
  EXPECT_THAT(shards_.find(RegionId{0}), Optional(0U));
  EXPECT_THAT(shards_[1].shard.regions, ElementsAre(RegionId{1}));
}

TEST_F(ReplayShardsTest, RefuseShardsOfAnotherLayout) {
  EXPECT_FALSE(follow(Layout({region("a")}), {shard(0, {0, 1})}));
}

}  // namespace
}  // namespace cardswap
