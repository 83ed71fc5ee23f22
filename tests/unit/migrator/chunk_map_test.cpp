#include "migrator/engine/chunk_map.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kChunk = 4096;

Digest digest(const char* text) { return digest_of(std::as_bytes(std::span(text, 4))); }
Layout layout(std::vector<std::pair<std::string, std::uint64_t>> regions) {
  std::vector<Region> result;
  for (auto& [name, bytes] : regions) result.push_back({name, "bytes", "", bytes});
  return Layout(std::move(result));
}

TEST(ChunkMap, KnowsNothingOfANewLayout) {
  const ChunkMap map(layout({{"a", 2 * kChunk + 1}, {"none", 0}, {"b", 7}}), kChunk);
  ASSERT_EQ(map.size(), 4U);
  const std::vector<Digest> now(4, digest("same"));
  EXPECT_THAT(map.differing(now), ElementsAre(ChunkId{0}, ChunkId{1}, ChunkId{2}, ChunkId{3}));
  EXPECT_EQ(map.bytes_in(map.differing(now)), 2 * kChunk + 1 + 7);
}

TEST(ChunkMap, KeepsAChunkDirtyThatChangedWhileItWasRead) {
  ChunkMap map(layout({{"w", 2 * kChunk}}), kChunk);
  map.confirm(ChunkId{0}, digest("torn"));
  map.confirm(ChunkId{1}, digest("same"));
  const std::vector now{digest("whole"), digest("same")};
  EXPECT_THAT(map.differing(now), ElementsAre(ChunkId{0}));
}

TEST(ChunkMap, CallsNothingCleanWhileOtherBytesAreUnderWay) {
  ChunkMap map(layout({{"w", kChunk}}), kChunk);
  const std::vector now{digest("same")};
  map.confirm(ChunkId{0}, now[0]);
  EXPECT_THAT(map.differing(now), IsEmpty());
  map.forget(ChunkId{0});
  EXPECT_THAT(map.differing(now), ElementsAre(ChunkId{0}));
}

TEST(ChunkMap, RefusesADigestOfAChunkThatThereIsNot) {
  ChunkMap map(layout({{"w", kChunk}}), kChunk);
  EXPECT_THROW(map.confirm(ChunkId{1}, {}), Error);
  EXPECT_THROW(ChunkMap().confirm(ChunkId{0}, {}), Error);
}

TEST(ChunkMap, FindsARegionsChunks) {
  const ChunkMap map(layout({{"a", 2 * kChunk}, {"none", 0}, {"b", kChunk + 1}}), kChunk);
  EXPECT_THAT(map.chunks_of(RegionId{0}), ElementsAre(ChunkId{0}, ChunkId{1}));
  EXPECT_THAT(map.chunks_of(RegionId{1}), IsEmpty());
  EXPECT_THAT(map.chunks_of(RegionId{2}), ElementsAre(ChunkId{2}, ChunkId{3}));
}

TEST(ChunkMap, KeepsWhatBothLayoutsHaveWhereverItIsNow) {
  ChunkMap map(layout({{"a", kChunk}, {"b", 2 * kChunk}, {"c", kChunk}}), kChunk);
  map.confirm(ChunkId{0}, digest("of a"));
  map.confirm(ChunkId{1}, digest("of b"));
  map.confirm(ChunkId{3}, digest("of c"));
  const auto now = map.carried_over(layout({{"new", 5}, {"b", 2 * kChunk}, {"a", 2 * kChunk}}));
  ASSERT_EQ(now.size(), 5U);
  EXPECT_EQ(now.digest(ChunkId{0}), std::nullopt) << "it is new";
  EXPECT_EQ(now.digest(ChunkId{1}), digest("of b"));
  EXPECT_EQ(now.digest(ChunkId{2}), std::nullopt) << "nothing was known of it";
  EXPECT_EQ(now.digest(ChunkId{3}), std::nullopt) << "a is another region under the same name";
}

}  // namespace
}  // namespace cardswap
