#include "migrator/engine/target/landed_digests.h"

#include <gtest/gtest.h>

#include <semaphore>

#include "migrator/device/staging.h"

namespace cardswap {
namespace {

constexpr std::size_t kChunk = 1U << 20U;
constexpr std::size_t kChunks = 40;

/// Memory that is not the host's own, and digests as that does.
class OtherMemory final : public Device {
 public:
  OtherMemory() : Device({"other:0", "", "", MemoryKind::host, 0}) {}
  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
              const Fence& after) override {
    cpu_device().digest(ranges, digests, after);
  }
  std::size_t digest_bytes_best() const override { return kChunk; }
  Buffer allocate(std::size_t bytes) override { return cpu_device().allocate(bytes); }
  Buffer allocate_host(std::size_t bytes) override { return cpu_device().allocate_host(bytes); }
  void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) override {
    cpu_device().read(ranges, to, after);
  }
  std::unique_ptr<Staging> stage(const StagingOptions& options) override {
    return cpu_device().stage(options);
  }
};

class LandedDigestsTest : public ::testing::Test {
 protected:
  LandedDigestsTest() {
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<std::byte>(i / 777);
  }
  [[nodiscard]] MemoryRange chunk(std::size_t index) {
    return {device_, std::span(memory_).subspan(index * kChunk, kChunk)};
  }
  void add_all(LandedDigests& digests) {
    for (std::size_t i = 0; i < kChunks; ++i) digests.add(static_cast<ChunkId>(i), chunk(i));
  }
  void expect_all() {
    for (std::size_t i = 0; i < kChunks; ++i) {
      EXPECT_EQ(held_.digest(static_cast<ChunkId>(i)), digest_of(chunk(i).bytes)) << i;
    }
  }

  OtherMemory other_;
  Device* device_ = &cpu_device();
  std::vector<std::byte> memory_ = std::vector<std::byte>(kChunks * kChunk);
  ChunkMap held_{Layout({{"w", "bytes", "", kChunks* kChunk}}), kChunk};
  PayloadReceiver payloads_{[](MemoryKind) { return 0; }};  // host memory is not staged
  std::counting_semaphore<> woken_{0};
};

TEST_F(LandedDigestsTest, BeginWhileMoreLands) {
  LandedDigests digests([this] { woken_.release(); }, 4);
  add_all(digests);
  EXPECT_FALSE(digests.advance(payloads_, held_, false));
  EXPECT_TRUE(digests.is_under_way());
  ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  EXPECT_TRUE(digests.advance(payloads_, held_, false));
  expect_all();
}

TEST_F(LandedDigestsTest, AreTakenAsEachChunkLandsWhereTheLineNeedsAllCores) {
  LandedDigests digests([this] { woken_.release(); }, 2);
  add_all(digests);
  EXPECT_FALSE(digests.is_under_way());
  EXPECT_TRUE(digests.advance(payloads_, held_, false)) << "nothing is left for the round's end";
  EXPECT_FALSE(woken_.try_acquire()) << "no other thread had to do with it";
  expect_all();
}

TEST_F(LandedDigestsTest, OfAnotherDeviceLeaveFewCoresToTheLineUntilAllIsHere) {
  device_ = &other_;
  LandedDigests digests([this] { woken_.release(); }, 2);
  add_all(digests);
  EXPECT_FALSE(digests.advance(payloads_, held_, false));
  EXPECT_FALSE(digests.is_under_way());
  EXPECT_FALSE(digests.advance(payloads_, held_, true));
  ASSERT_TRUE(woken_.try_acquire_for(std::chrono::seconds(30)));
  EXPECT_TRUE(digests.advance(payloads_, held_, true));
  expect_all();
}

TEST_F(LandedDigestsTest, OfWhatWasGivenUpAreNotWritten) {
  LandedDigests digests([this] { woken_.release(); }, 2);
  add_all(digests);
  digests.clear();
  EXPECT_TRUE(digests.advance(payloads_, held_, true));
  for (const auto chunk : held_.all()) EXPECT_EQ(held_.digest(chunk), std::nullopt);
}

}  // namespace
}  // namespace cardswap
