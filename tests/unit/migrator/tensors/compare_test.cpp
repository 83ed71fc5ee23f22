/// Method: snapshots of a few tensors in a store in memory, which counts what is read of its packs.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <limits>
#include <numeric>

#include "migrator/base/error.h"
#include "migrator/tensors/compare_snapshots.h"
#include "migrator/tensors/tensor_reader.h"
#include "tests/unit/migrator/tensors/saved_tensors.h"

namespace cardswap::tensors {
namespace {

using store::TensorEntry;
using test::filled;
using test::SavedTensors;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// `count` numbers from 1 on.
std::vector<float> numbers(std::size_t count) {
  std::vector<float> all(count);
  std::iota(all.begin(), all.end(), 1.0F);
  return all;
}

std::vector<std::string> names(const std::vector<ComparedTensor>& all) {
  std::vector<std::string> found;
  for (const auto& one : all) found.push_back(one.name);
  return found;
}

TEST(TensorTable, IsReadFromTheShapesOfRegions) {
  const Layout layout({{"m/w", "Float", "[2, 3]", 24, 0},
                       {"m/t", "Float", "[3, 2] strides [1, 3]", 24, 0},
                       {"m/view", "Long", "[2] from 1", 24, 0},
                       {"m/scalar", "Double", "[]", 8, 0},
                       {"m/empty", "Float", "[0]", 0, 0},
                       {"m/w (module)", "module", "Linear(in=2)", 0, 0}});
  const auto found = tensors_of(layout);
  ASSERT_THAT(found, SizeIs(5));
  EXPECT_EQ(found[0], (TensorEntry{"m/w", RegionId{0}, 0, "Float", {2, 3}, {3, 1}, ""}));
  EXPECT_EQ(found[1], (TensorEntry{"m/t", RegionId{1}, 0, "Float", {3, 2}, {1, 3}, ""}));
  EXPECT_EQ(found[2], (TensorEntry{"m/view", RegionId{2}, 8, "Long", {2}, {1}, ""}));
  EXPECT_THAT(found[3].sizes, IsEmpty());
  EXPECT_EQ(element_count(found[3]), 1U);
  EXPECT_EQ(element_count(found[4]), 0U);
}

TEST(TensorTable, HasNoTensorThatDoesNotFitItsRegion) {
  std::vector<Region> regions;
  for (const auto* shape :
       {"", "[", "[7]", "[2,3]", "[-1]", "[2] strides [1, 2]", "[2] strides [6]",
        "[2] strides [-1]", "[2] from 5", "[2] from 18446744073709551615", "[2] and more",
        "[18446744073709551615, 18446744073709551615]", "[4294967296, 4294967296, 0]"}) {
    regions.push_back({fmt::format("r{}", regions.size()), "Float", shape, 24, 0});
  }
  EXPECT_THAT(tensors_of(Layout(regions)), IsEmpty());
}

TEST(TensorTable, ListsOtherRegionsAsArrays) {
  store::Manifest manifest;
  manifest.layout = Layout({{"w", "Float", "anything", 12, 0},
                            {"odd", "Float", "", 11, 0},
                            {"c", "ComplexFloat", "[1]", 8, 0},
                            {"none", "Float", "", 0, 0}});
  const auto found = listed_tensors(manifest);
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].entry, (TensorEntry{"w", RegionId{0}, 0, "Float", {3}, {1}, ""}));
  EXPECT_EQ(found[1].entry, (TensorEntry{"odd", RegionId{1}, 0, "bytes", {11}, {1}, ""}));
  EXPECT_EQ(found[2].entry, (TensorEntry{"c", RegionId{2}, 0, "ComplexFloat", {8}, {1}, ""}));
  EXPECT_TRUE(found[0].is_flat);
}

TEST(TensorTable, IsRefusedWhereATensorLeavesItsRegion) {
  store::Manifest manifest;
  manifest.layout = Layout({{"w", "Float", "", 16, 0}});
  const auto refusal_of = [&](std::uint64_t offset, std::vector<std::uint64_t> sizes,
                              std::vector<std::int64_t> strides) -> std::string {
    manifest.tensors = {
        {"bad", RegionId{0}, offset, "Float", std::move(sizes), std::move(strides), ""}};
    try {
      (void)listed_tensors(manifest);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::corrupt);
      return error.failure();
    }
    return "";
  };
  EXPECT_EQ(refusal_of(0, {4}, {1}), "");
  EXPECT_EQ(refusal_of(12, {4}, {-1}), "");
  EXPECT_THAT(refusal_of(0, {5}, {1}), HasSubstr("tensor bad: it does not lie in its region w"));
  EXPECT_THAT(refusal_of(4, {4}, {1}), HasSubstr("does not lie"));
  EXPECT_THAT(refusal_of(8, {4}, {-1}), HasSubstr("does not lie"));
  EXPECT_THAT(refusal_of(0, {2}, {std::numeric_limits<std::int64_t>::min()}),
              HasSubstr("larger than any memory"));
  EXPECT_THAT(refusal_of(0, {std::uint64_t{1} << 40U, std::uint64_t{1} << 40U}, {0, 0}),
              HasSubstr("larger than any memory"));
  EXPECT_THAT(refusal_of(0, {std::uint64_t{1} << 40U}, {0}), HasSubstr("repeats its elements"));
  EXPECT_THAT(refusal_of(0, std::vector<std::uint64_t>(65, 1), std::vector<std::int64_t>(65, 1)),
              HasSubstr("sizes and strides"));
}

TEST(TensorReading, OfATransposedTensorIsInTheOrderOfItsIndices) {
  SavedTensors saved;
  const TensorEntry transposed{"t", RegionId{0}, 0, "Float", {3, 2}, {1, 3}, ""};
  const auto ref = saved.save({filled<float>("t", "Float", "", {1, 2, 3, 4, 5, 6})}, {transposed});
  TensorReader reader(saved.open(ref), transposed);
  ASSERT_EQ(reader.bytes(), 24U);
  std::vector<std::byte> out(24);
  reader.read(0, out);
  EXPECT_EQ(out, test::bytes_of<float>({1, 4, 2, 5, 3, 6}));
  std::vector<std::byte> some(8);
  reader.read(8, some);
  EXPECT_EQ(some, test::bytes_of<float>({2, 5}));
}

TEST(TensorReading, OfAReversedAndOfARepeatedTensorIsSo) {
  SavedTensors saved;
  const TensorEntry reversed{"r", RegionId{0}, 8, "Float", {3}, {-1}, ""};
  const TensorEntry repeated{"e", RegionId{0}, 4, "Float", {3}, {0}, ""};
  const auto ref = saved.save({filled<float>("r", "Float", "", {1, 2, 3})}, {reversed, repeated});
  const auto& reader = saved.open(ref);
  std::vector<std::byte> out(12);
  TensorReader(reader, reversed).read(0, out);
  EXPECT_EQ(out, test::bytes_of<float>({3, 2, 1}));
  TensorReader(reader, repeated).read(0, out);
  EXPECT_EQ(out, test::bytes_of<float>({2, 2, 2}));
}

TEST(TensorReading, OfPiecesReadsEachChunkOnce) {
  SavedTensors saved;
  const auto ref = saved.save({filled("w", "Float", "", numbers(2500))});  // three chunks
  const auto& reader = saved.open(ref);
  RegionStream region(reader, RegionId{0});
  std::vector<std::byte> all;
  std::vector<std::byte> piece(100);
  for (std::uint64_t at = 0; at < 10'000; at += piece.size()) {
    region.read(at, piece);
    all.insert(all.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(all, test::bytes_of(numbers(2500)));
  EXPECT_EQ(saved.store.pack_reads, 3);
  EXPECT_THROW(region.read(9'950, piece), Error) << "past the end";
}

TEST(SnapshotComparisons, CountRegionsAndChunks) {
  SavedTensors saved;
  auto changed = numbers(2500);
  changed[1500] = 0;  // in the second of three chunks
  const auto before = saved.save({filled("m/w", "Float", "[2500]", numbers(2500)),
                                  filled<float>("m/b", "Float", "[2]", {1, 2}),
                                  filled<float>("m/old", "Float", "[1]", {1})});
  const auto after = saved.save({filled("m/w", "Float", "[2500]", changed),
                                 filled<float>("m/b", "Float", "[2, 1]", {1, 2}),
                                 filled<float>("m/new", "Float", "[1]", {7})});
  const auto found = compare_snapshots(saved.open(before), saved.open(after));
  EXPECT_EQ(saved.store.pack_reads, 0);
  EXPECT_EQ(found.regions_alike, 1U);
  ASSERT_THAT(found.regions, SizeIs(3));
  EXPECT_EQ(found.regions[0].name(), "m/b");
  EXPECT_TRUE(found.regions[0].before && found.regions[0].after);
  EXPECT_EQ(found.regions[1].name(), "m/new");
  EXPECT_FALSE(found.regions[1].before);
  EXPECT_EQ(found.regions[2].name(), "m/old");
  EXPECT_FALSE(found.regions[2].after);
  EXPECT_EQ(found.total.chunks, 5U);
  EXPECT_EQ(found.total.chunks_changed, 2U) << "one of w, and the new one";
  EXPECT_EQ(found.total.bytes_changed, 4096U + 4U);
  ASSERT_THAT(found.chunks, SizeIs(2));
  EXPECT_EQ(found.chunks[0].region, "m/w");
  EXPECT_EQ(found.chunks[0].chunks_changed, 1U);
}

TEST(TensorComparisons, ReadNoChunkThatBothSnapshotsHave) {
  SavedTensors saved;
  auto changed = numbers(2500);
  changed[1500] += 8;
  const auto before = saved.save({filled("w", "Float", "", numbers(2500))});
  const auto after = saved.save({filled("w", "Float", "", changed)});
  const auto& old_one = saved.open(before);
  const auto found = compare_tensors(old_one, saved.open(after));
  EXPECT_EQ(saved.store.pack_reads, 2) << "one chunk of each";
  ASSERT_THAT(found, SizeIs(1));
  ASSERT_TRUE(found[0].difference);
  EXPECT_EQ(found[0].difference->elements, 2500U);
  EXPECT_EQ(found[0].difference->compared, 1024U);
  EXPECT_EQ(found[0].difference->changed, 1U);
  EXPECT_EQ(found[0].difference->max_abs, 8);
}

TEST(TensorComparisons, OfEqualTransposedTensorsReadNothing) {
  SavedTensors saved;
  const TensorEntry transposed{"t", RegionId{0}, 0, "Float", {3, 2}, {1, 3}, ""};
  const auto ref = saved.save({filled<float>("t", "Float", "", {1, 2, 3, 4, 5, 6})}, {transposed});
  const auto& reader = saved.open(ref);
  const auto found = compare_tensors(reader, reader);
  EXPECT_EQ(saved.store.pack_reads, 0);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].is_equal());
}

TEST(TensorComparisons, AreInTheOrderOfTheirRelativeChange) {
  SavedTensors saved;
  const auto before = saved.save({filled<float>("same", "Float", "", {1, 2}),
                                  filled<float>("little", "Float", "", {1000, 1000}),
                                  filled<float>("much", "Float", "", {1, 1}),
                                  filled<float>("lost", "Float", "", {1, 1}),
                                  filled<float>("old", "Float", "", {1})});
  const auto after = saved.save({filled<float>("same", "Float", "", {1, 2}),
                                 filled<float>("little", "Float", "", {1000, 1010}),
                                 filled<float>("much", "Float", "", {1, 3}),
                                 filled<float>("lost", "Float", "", {1, std::nanf("")}),
                                 filled<float>("new", "Float", "", {1})});
  const auto found = compare_tensors(saved.open(before), saved.open(after));
  EXPECT_THAT(names(found), ElementsAre("new", "old", "lost", "much", "little", "same"));
}

/// Their elements are compared in the order of their indices.
TEST(TensorComparisons, OfOtherTypesAndStridesAreOfTheirValues) {
  SavedTensors saved;
  const auto before = saved.save({filled<float>("w", "Float", "", {1, 2, 3, 4})},
                                 {TensorEntry{"w", RegionId{0}, 0, "Float", {2, 2}, {2, 1}, ""}});
  const auto after = saved.save({filled<double>("w", "Double", "", {1, 3, 2, 5})},
                                {TensorEntry{"w", RegionId{0}, 0, "Double", {2, 2}, {1, 2}, ""}});
  const auto found = compare_tensors(saved.open(before), saved.open(after));
  ASSERT_THAT(found, SizeIs(1));
  ASSERT_TRUE(found[0].difference);
  EXPECT_EQ(found[0].before->dtype, "Float");
  EXPECT_EQ(found[0].after->dtype, "Double");
  EXPECT_EQ(found[0].difference->changed, 1U);
  EXPECT_EQ(found[0].difference->max_abs, 1);
  EXPECT_FALSE(found[0].is_equal());
}

/// Of three names for one tensor, the second was another tensor before.
TEST(TensorComparisons, LeaveOutTheOtherNamesOfOneTensor) {
  SavedTensors saved;
  const TensorEntry first{"first", RegionId{0}, 0, "Float", {2}, {1}, ""};
  const TensorEntry tied{"tied", RegionId{0}, 0, "Float", {2}, {1}, "first"};
  TensorEntry later{"later", RegionId{1}, 0, "Float", {2}, {1}, ""};
  const auto before = saved.save(
      {filled<float>("first", "Float", "", {1, 2}), filled<float>("later", "Float", "", {1, 2})},
      {first, later, tied});
  later.region = RegionId{0};
  later.alias_of = "first";
  const auto after =
      saved.save({filled<float>("first", "Float", "", {1, 2})}, {first, later, tied});
  EXPECT_THAT(names(compare_tensors(saved.open(before), saved.open(after))),
              ElementsAre("first", "later"));
}

TEST(TensorComparisons, OfAnotherNumberOfElementsAreNone) {
  SavedTensors saved;
  const auto before = saved.save({filled<float>("w", "Float", "", {1, 2})});
  const auto after = saved.save({filled<float>("w", "Float", "", {1, 2, 3})});
  const auto found = compare_tensors(saved.open(before), saved.open(after));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_FALSE(found[0].difference);
  EXPECT_THAT(found[0].after->sizes, ElementsAre(3));
}

}  // namespace
}  // namespace cardswap::tensors
