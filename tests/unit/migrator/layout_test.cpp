#include "migrator/core/layout.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kKiB = 1024;

Layout layout_of(std::vector<Region> regions) { return Layout(std::move(regions)); }

TEST(Chunks, CutEachRegionByItselfWithAShorterLastOne) {
  const auto chunks = cut_into_chunks(
      layout_of({{"a", "bytes", "", 9 * kKiB}, {"empty", "bytes", "", 0}, {"b", "bytes", "", 1}}),
      4 * kKiB);
  ASSERT_THAT(chunks, SizeIs(4));
  EXPECT_EQ(chunks[2].bytes, kKiB);
  EXPECT_EQ(chunks[2].offset, 8 * kKiB);
  EXPECT_EQ(chunks[3].region, RegionId{2});
  EXPECT_EQ(chunks[3].bytes, 1U);
}

TEST(Chunks, RefuseASizeThatIsNoPowerOfTwoOrOutOfRange) {
  for (const std::uint64_t bytes : {0ULL, 4095ULL, 6144ULL, 2048ULL, 128ULL << 20}) {
    EXPECT_THROW((void)cut_into_chunks(layout_of({}), bytes), Error) << bytes;
  }
}

TEST(Layout, IsCopiedWithoutItsRegions) {
  const auto layout = layout_of({{"w", "Float", "[2]", 8}});
  const auto copy = layout;
  EXPECT_EQ(&copy.regions(), &layout.regions());
  EXPECT_EQ(copy, layout);
  EXPECT_EQ(layout, layout_of({{"w", "Float", "[2]", 8}}));
  EXPECT_FALSE(layout == layout_of({{"w", "Float", "[3]", 8}}));
}

TEST(KeptRegions, AreThoseOfTheSameNameAndAllElse) {
  const auto from =
      layout_of({{"a", "Float", "", 8}, {"b", "Float", "", 8}, {"c", "Float", "", 8}});
  const auto to =
      layout_of({{"new", "Float", "", 8}, {"c", "Float", "", 8}, {"a", "Float", "", 9}});
  EXPECT_THAT(kept_regions(from, to),
              ElementsAre(std::nullopt, ::testing::Optional(RegionId{2}), std::nullopt));
}

TEST(KeptRegions, CarryWhatIsKnownOfTheirChunks) {
  const auto from = layout_of({{"a", "bytes", "", 9 * kKiB}, {"b", "bytes", "", 5 * kKiB}});
  const auto to = layout_of(
      {{"b", "bytes", "", 5 * kKiB}, {"c", "bytes", "", 1}, {"a", "bytes", "", 9 * kKiB}});
  const std::vector<int> values{1, 2, 3, 4, 5};
  EXPECT_THAT(carried_over(values, cut_into_chunks(from, 4 * kKiB), cut_into_chunks(to, 4 * kKiB),
                           kept_regions(from, to)),
              ElementsAre(4, 5, 0, 1, 2, 3));
}

TEST(LayoutDigest, CoversAddressesOnlyWhereThereAreAny) {
  const auto free = layout_of({{"w", "Float", "[2]", 8}, {"b", "Float", "[1]", 4}});
  const auto placed = layout_of({{"w", "Float", "[2]", 8, 0x1000}, {"b", "Float", "[1]", 4}});
  const auto elsewhere = layout_of({{"w", "Float", "[2]", 8, 0x2000}, {"b", "Float", "[1]", 4}});
  EXPECT_NE(free.digest(), placed.digest());
  EXPECT_NE(placed.digest(), elsewhere.digest());
  EXPECT_THAT(differences(placed, elsewhere), ElementsAre(HasSubstr("at 0x2000 on the target")));
}

TEST(LayoutDifferences, AreNoneForEqualLayouts) {
  const auto layout = layout_of({{"w", "float32", "[2]", 8}});
  EXPECT_THAT(differences(layout, layout), IsEmpty());
}

TEST(LayoutDifferences, NameTensorsAndShapes) {
  const auto source = layout_of({{"w", "float32", "[2]", 8}, {"only_source", "int8", "[1]", 1}});
  const auto target = layout_of({{"w", "float32", "[3]", 12}, {"only_target", "int8", "[1]", 1}});
  EXPECT_THAT(differences(source, target),
              ElementsAre(HasSubstr("w: float32 [2] (8 bytes) on the source, float32 [3]"),
                          HasSubstr("only_source"), HasSubstr("only_target")));
}

TEST(LayoutDifferences, SayHowManyMoreThereAre) {
  std::vector<Region> many;
  for (int i = 0; i < 20; ++i) many.push_back({"r" + std::to_string(i), "int8", "[1]", 1});
  const auto lines = differences(layout_of(many), layout_of({}), 3);
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines.back(), "and 17 more");
}

TEST(LayoutDifferences, FindAnotherOrder) {
  const Region a{"a", "int8", "[1]", 1};
  const Region b{"b", "int8", "[1]", 1};
  EXPECT_THAT(differences(layout_of({a, b}), layout_of({b, a})),
              ElementsAre("the same tensors in another order"));
}

}  // namespace
}  // namespace cardswap
