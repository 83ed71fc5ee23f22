#include "runtime/snapshot/received_memory.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

TEST(ReceivedMemory, KeepsTheBytesOfRegionsThatStay) {
  ReceivedMemory memory;
  const Region stays{"w", "Float", "[2]", 8};
  const auto before = memory.adopt(Layout({stays}));
  before.memory.at(0)[3] = std::byte{42};
  const auto after = memory.adopt(Layout({Region{"new", "Float", "[1]", 4}, stays}));
  EXPECT_EQ(after.memory.at(1)[3], std::byte{42});
  EXPECT_EQ(after.memory.at(0).size(), 4U);
}

/// Also of sizes that are no whole pages, and with regions of a former block beside them.
TEST(ReceivedMemory, GivesEachRegionItsOwnAlignedBytes) {
  constexpr std::uint64_t kOdd = (3U << 20) + 5;
  ReceivedMemory memory;
  const std::vector<Region> first{{"a", "Byte", "[n]", kOdd}, {"none", "Byte", "[0]", 0}};
  (void)memory.adopt(Layout(first));
  const auto view = memory.adopt(
      Layout({{"b", "Byte", "[n]", kOdd}, {"c", "Byte", "[n]", 7}, first[0], first[1]}));
  const std::vector<std::size_t> sizes{kOdd, 7, kOdd, 0};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    ASSERT_EQ(view.memory[i].size(), sizes[i]);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.memory[i].data()) % 64, 0U) << i;
    std::ranges::fill(view.memory[i], static_cast<std::byte>(i + 1));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_TRUE(std::ranges::all_of(view.memory[i], [i](std::byte is) {
      return is == std::byte(i + 1);
    })) << i;
  }
}

/// Sizes that would come to a small sum if it overflowed.
TEST(ReceivedMemory, RefusesALayoutOfMoreBytesThanThereAre) {
  constexpr auto kHalf = std::uint64_t{1} << 63U;
  ReceivedMemory memory;
  EXPECT_THROW(
      (void)memory.adopt(Layout(
          {{"a", "Byte", "[n]", kHalf}, {"b", "Byte", "[n]", kHalf}, {"c", "Byte", "[n]", 8}})),
      Error);
}

}  // namespace
}  // namespace cardswap
