#include "migrator/engine/landed_digests.h"

#include <gtest/gtest.h>

#include <semaphore>

#include "tests/support/no_link.h"

namespace cardswap {
namespace {

constexpr std::size_t kChunk = 1U << 20U;
constexpr std::size_t kChunks = 40;

class LandedDigestsTest : public ::testing::Test {
 protected:
  LandedDigestsTest() {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<std::byte>(i / 777);
  }
  [[nodiscard]] MemoryRange chunk(std::size_t index) {
    return {&cpu_device(), std::span(memory_).subspan(index * kChunk, kChunk)};
  }
  void add_all(LandedDigests& digests) {
    for (std::size_t i = 0; i < kChunks; ++i) digests.add(static_cast<ChunkId>(i), chunk(i));
  }
  void expect_all() {
    for (std::size_t i = 0; i < kChunks; ++i) EXPECT_EQ(held_[i], digest_of(chunk(i).bytes)) << i;
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(kChunks * kChunk);
  std::vector<Digest> held_ = std::vector<Digest>(kChunks);
  test::NoLink link_;  // host memory is not staged
  Stagings stagings_{link_, kChunk};
  std::counting_semaphore<> woken_{0};
};

TEST_F(LandedDigestsTest, BeginWhileMoreLands) {
  LandedDigests digests([this] { woken_.release(); }, 4);
  add_all(digests);
  EXPECT_FALSE(digests.advance(stagings_, held_, false));
  EXPECT_TRUE(digests.is_under_way());
  ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  EXPECT_TRUE(digests.advance(stagings_, held_, false));
  expect_all();
}

TEST_F(LandedDigestsTest, LeaveFewCoresToTheLineUntilAllIsHere) {
  LandedDigests digests([this] { woken_.release(); }, 2);
  add_all(digests);
  EXPECT_FALSE(digests.advance(stagings_, held_, false));
  EXPECT_FALSE(digests.is_under_way());
  EXPECT_FALSE(digests.advance(stagings_, held_, true));
  ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  EXPECT_TRUE(digests.advance(stagings_, held_, true));
  expect_all();
}

TEST_F(LandedDigestsTest, OfWhatWasGivenUpAreNotWritten) {
  LandedDigests digests([this] { woken_.release(); }, 2);
  add_all(digests);
  digests.clear();
  EXPECT_TRUE(digests.advance(stagings_, held_, true));
  EXPECT_EQ(held_, std::vector<Digest>(kChunks));
}

}  // namespace
}  // namespace cardswap
