#include "migrator/tensors/tensor_table.h"

#include <gmock/gmock.h>

#include "migrator/core/shared_tensor.h"

namespace cardswap::tensors {
namespace {

using store::TensorEntry;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

Region memory(const std::string& name, const std::string& shape, std::uint64_t bytes) {
  return {name, "Float", shape, bytes, 0};
}
Region shared(const std::string& name, const std::string& shape) {
  return {name, kSharedTensor, shape, 0, 0};
}
std::vector<TensorEntry> tensors_in(std::vector<Region> regions) {
  return tensors_of(Layout(std::move(regions)));
}

TEST(TensorTable, HasATiedTensorUnderBothNames) {
  EXPECT_THAT(
      tensors_in({memory("m/emb.weight", "[4, 2]", 32),
                  shared("m/head.weight", "Float [4, 2] of m/emb.weight")}),
      ElementsAre(
          TensorEntry{"m/emb.weight", RegionId{0}, 0, "Float", {4, 2}, {2, 1}, ""},
          TensorEntry{"m/head.weight", RegionId{0}, 0, "Float", {4, 2}, {2, 1}, "m/emb.weight"}));
}

TEST(TensorTable, HasViewsWithTheirPlacesWhichAreNoAliases) {
  EXPECT_THAT(tensors_in({memory("m/q", "[2, 2]", 48), memory("m/other", "[1]", 4),
                          shared("m/k", "Float [2, 2] from 4 of m/q"),
                          shared("m/t", "Float [2, 2] strides [1, 2] of m/q"),
                          shared("m/k2", "Float [2, 2] from 4 of m/q")}),
              ElementsAre(TensorEntry{"m/q", RegionId{0}, 0, "Float", {2, 2}, {2, 1}, ""},
                          TensorEntry{"m/other", RegionId{1}, 0, "Float", {1}, {1}, ""},
                          TensorEntry{"m/k", RegionId{0}, 16, "Float", {2, 2}, {2, 1}, ""},
                          TensorEntry{"m/t", RegionId{0}, 0, "Float", {2, 2}, {1, 2}, ""},
                          TensorEntry{"m/k2", RegionId{0}, 16, "Float", {2, 2}, {2, 1}, "m/k"}));
}

TEST(TensorTable, HasAViewAsAnotherType) {
  const auto all = tensors_in({memory("m/w", "[2]", 8), shared("m/bits", "Int [2] of m/w"),
                               shared("m/half", "BFloat16 [] from 3 of m/w")});
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[1].alias_of, "") << "its elements are others";
  EXPECT_EQ(all[2].offset, 6U);
}

TEST(TensorTable, TakesARegionsNameAsItIs) {
  EXPECT_THAT(
      tensors_in(
          {memory("m/state of of it", "[2]", 8), shared("m/v", "Float [1] of m/state of of it")}),
      ElementsAre(Field(&TensorEntry::name, "m/state of of it"), Field(&TensorEntry::name, "m/v")));
}

TEST(TensorTable, LeavesOutWhatDoesNotLieInAnEarlierRegion) {
  const auto first = memory("m/w", "[2]", 8);
  for (const auto* shape :
       {"Float [2] of m/none", "Float [3] of m/w", "Float [2] from 1 of m/w",
        "Float [2] strides [2] of m/w", "Float [2] strides [-1] of m/w", "ComplexFloat [1] of m/w",
        "bytes [8] of m/w", "Float [2]", "Float[2] of m/w", "Float [2]  of m/w", " of m/w", "",
        "Float [18446744073709551615, 18446744073709551615] of m/w", "Float [1, 2 of m/w",
        "Float [2000000000] strides [0] of m/w"}) {
    EXPECT_THAT(tensors_in({first, shared("m/v", shape)}), SizeIs(1)) << shape;
  }
  EXPECT_THAT(tensors_in({shared("m/v", "Float [2] of m/w"), first}), SizeIs(1)) << "a later one";
  EXPECT_THAT(tensors_in({shared("m/v", "Float [0] of m/v")}), IsEmpty()) << "itself";
}

TEST(TensorTable, HasEmptyTensorsWithoutAnAlias) {
  const auto all = tensors_in({memory("m/a", "[0]", 4), shared("m/b", "Float [0] of m/a")});
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[1].alias_of, "");
}

}  // namespace
}  // namespace cardswap::tensors
