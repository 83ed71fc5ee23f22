#include "migrator/engine/source/sending/frozen_copy.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <algorithm>

#include "migrator/base/free_memory.h"

namespace cardswap {
namespace {

using ::testing::ElementsAreArray;

constexpr std::size_t kChunk = 4096;

class FrozenCopyTest : public ::testing::Test {
 protected:
  FrozenCopyTest() : memory_(4 * kChunk) {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<std::byte>(i / 7);
    for (std::size_t i = 0; i < 4; ++i) {
      ranges_.push_back({&cpu_device(), std::span(memory_).subspan(i * kChunk, kChunk)});
      now_.push_back(digest_of(ranges_.back().bytes));
    }
  }
  std::vector<std::byte> memory_;
  std::vector<MemoryRange> ranges_;
  std::vector<Digest> now_;
};

TEST_F(FrozenCopyTest, HasWhatDiffersAsItWas) {
  FrozenCopy copy(memory_.size());
  copy.begin(ranges_, {now_[0], std::nullopt, Digest{{1}}, now_[3]}, {});
  const auto was = memory_;
  copy.add(0, std::span(now_).first(2));
  copy.add(2, std::span(now_).last(2));
  std::ranges::fill(memory_, std::byte{99});
  EXPECT_FALSE(copy.has(0));
  EXPECT_FALSE(copy.has(3));
  EXPECT_EQ(copy.bytes(), 2 * kChunk);
  EXPECT_THAT(copy.chunk(1), ElementsAreArray(std::span(was).subspan(kChunk, kChunk)));
  EXPECT_THAT(copy.chunk(2), ElementsAreArray(std::span(was).subspan(2 * kChunk, kChunk)));
}

TEST_F(FrozenCopyTest, LeavesWhatFindsNoRoomAndTakesWhatDoes) {
  FrozenCopy copy(2 * kChunk);
  copy.begin(ranges_, {4, std::nullopt}, {});
  copy.add(0, std::span(now_).first(1));
  copy.add(1, std::span(now_).subspan(1, 2));
  EXPECT_TRUE(copy.has(0));
  EXPECT_FALSE(copy.has(1)) << "two together are too many";
  EXPECT_FALSE(copy.has(2));
  copy.add(3, std::span(now_).last(1));
  EXPECT_TRUE(copy.has(3));
  EXPECT_EQ(copy.bytes(), 2 * kChunk);
  EXPECT_THROW((void)copy.chunk(1), std::bad_optional_access);
}

TEST_F(FrozenCopyTest, BeginsAnew) {
  FrozenCopy copy(memory_.size());
  copy.begin(ranges_, {4, std::nullopt}, {});
  copy.add(0, now_);
  copy.begin(ranges_, {4, std::nullopt}, {});
  EXPECT_EQ(copy.bytes(), 0U);
  EXPECT_FALSE(copy.has(0));
}

TEST_F(FrozenCopyTest, WithoutAnyRoomCopiesNothing) {
  FrozenCopy copy(0);
  copy.begin(ranges_, {4, std::nullopt}, {});
  copy.add(0, now_);
  EXPECT_FALSE(copy.has(0));
}

TEST(TouchedMemory, IsTheSystemsAgainAtItsEnd) {
  std::byte* at = nullptr;
  unsigned char resident = 0;
  {
    TouchedMemory memory(64 * kChunk);
    memory.touch(0, 64 * kChunk);
    memory.touch(64 * kChunk, kChunk);  // beyond the end
    at = memory.bytes().data();
    ASSERT_EQ(::mincore(at, kChunk, &resident), 0);
    EXPECT_NE(resident & 1, 0);
  }
  EXPECT_NE(::mincore(at, kChunk, &resident), 0) << "nobody's addresses";
}

TEST(FreeMemory, IsWhatTheHostAndItsCgroupsHaveLeft) {
  EXPECT_EQ(available_memory_in("MemTotal: 8 kB\nMemAvailable:      3 kB\n"), 3072U);
  EXPECT_EQ(available_memory_in("MemTotal: 8 kB\n"), std::nullopt);
  EXPECT_EQ(available_memory_in("MemAvailable: many\n"), std::nullopt);
  EXPECT_EQ(available_memory_in("MemAvailable: 18446744073709551615 kB"), std::nullopt);
  EXPECT_EQ(memory_left_in_cgroup("1000\n", "700\n", "anon 1\ninactive_file 200\n"), 500U);
  EXPECT_EQ(memory_left_in_cgroup("1000\n", "1700\n", ""), 0U);
  EXPECT_EQ(memory_left_in_cgroup("1000\n", "700\n", "inactive_file 900\n"), 1000U);
  EXPECT_EQ(memory_left_in_cgroup("max\n", "700\n", ""), std::nullopt);
  EXPECT_EQ(memory_left_in_cgroup("", "", ""), std::nullopt);
  EXPECT_GT(free_memory(), 0U);
}

}  // namespace
}  // namespace cardswap
