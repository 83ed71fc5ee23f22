#include "migrator/engine/target/placed_bytes.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

TEST(PlacedBytes, HaveAPlaceOnceInWhateverOrderTheyCome) {
  PlacedBytes placed;
  EXPECT_TRUE(placed.place(20, 10));
  EXPECT_TRUE(placed.place(0, 10));
  EXPECT_TRUE(placed.place(40, 5));
  EXPECT_FALSE(placed.place(0, 1));
  EXPECT_FALSE(placed.place(9, 2)) << "its first byte has one";
  EXPECT_FALSE(placed.place(19, 2)) << "its last byte has one";
  EXPECT_FALSE(placed.place(15, 100)) << "some in its middle have one";
  EXPECT_FALSE(placed.place(22, 3)) << "all of them have one";
  EXPECT_EQ(placed.total(), 25U) << "what was refused changed nothing";
  EXPECT_TRUE(placed.place(10, 10)) << "between two that meet it";
  EXPECT_TRUE(placed.place(39, 1));
  EXPECT_TRUE(placed.place(30, 9));
  EXPECT_EQ(placed.total(), 45U);
  for (std::uint64_t at = 0; at < 45; ++at) EXPECT_FALSE(placed.place(at, 1)) << at;
  EXPECT_TRUE(placed.place(45, 1));
}

TEST(PlacedBytes, TakeBoundedMemoryHoweverScatteredTheyCome) {
  PlacedBytes placed;
  std::uint64_t taken = 0;
  while (taken < 100'000 && placed.place(2 * taken, 1)) ++taken;
  EXPECT_LT(taken, 100'000U);
  EXPECT_TRUE(placed.place(1, 1)) << "it fills a gap";
  EXPECT_TRUE(placed.place(2 * taken, 1));
}

}  // namespace
}  // namespace cardswap
