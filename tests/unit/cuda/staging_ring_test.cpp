#include "cuda/staging_ring.h"

#include <gmock/gmock.h>

#include <cstring>

#include "cuda/cuda_device.h"
#include "migrator/error.h"
#include "tests/stand_ins/cudart/runtime.h"

namespace cardswap {
namespace {

using cuda::Status;

constexpr std::size_t kPayload = 16U << 20U;
constexpr std::size_t kSlots = cuda::kRingBytes / kPayload;

class StagingRingTest : public ::testing::Test {
 protected:
  ~StagingRingTest() override {
    staging_.reset();
    memory_ = {};
    device_.reset();
    EXPECT_EQ(card_->leaks(), "");
  }
  std::span<std::byte> range(std::size_t bytes) { return memory_.bytes.first(bytes); }
  std::byte* behind() { return card_->behind(memory_.bytes.data()); }
  Fetched fetched(std::size_t bytes) {
    auto result = staging_->fetch(range(bytes), device_->fence(), false);
    EXPECT_TRUE(result);
    while (!staging_->ready(*result)) {
    }
    return *result;
  }

  std::shared_ptr<test::StandInCudart> card_ = std::make_shared<test::StandInCudart>();
  cuda::Stream program_ = card_->program_stream();
  std::shared_ptr<cuda::CudaDevice> device_ =
      cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  Buffer memory_ = device_->allocate(kPayload);
  std::unique_ptr<Staging> staging_ = device_->stage({kPayload, std::nullopt});
};

TEST_F(StagingRingTest, FetchesBehindTheProgramsStream) {
  auto* bytes = behind();
  card_->work(program_, [bytes] { std::memset(bytes, 9, 1000); });
  auto piece = staging_->fetch(range(1000), device_->fence(), false);
  ASSERT_TRUE(piece);
  EXPECT_NE(piece->bytes[999], std::byte{9}) << "nothing has been copied yet";
  while (!staging_->ready(*piece)) {
  }
  EXPECT_EQ(piece->bytes[0], std::byte{9});
  EXPECT_EQ(piece->bytes[999], std::byte{9});
}

TEST_F(StagingRingTest, LendsEachBufferToOnePayloadAtATime) {
  std::vector<Fetched> sending;
  for (std::size_t i = 0; i < kSlots; ++i) {
    auto piece = staging_->fetch(range(10), {}, false);
    ASSERT_TRUE(piece) << i;
    for (const auto& other : sending) EXPECT_NE(other.bytes.data(), piece->bytes.data());
    sending.push_back(std::move(*piece));
  }
  EXPECT_FALSE(staging_->fetch(range(10), {}, false)) << "all of them are with the link";
  sending.erase(sending.begin());
  EXPECT_TRUE(staging_->fetch(range(10), {}, false));
}

TEST_F(StagingRingTest, PinsLittleForALittleJob) {
  const auto small = device_->stage({1U << 20U, std::nullopt});
  (void)small->fetch(range(10), {}, false);
  EXPECT_EQ(card_->count("cudaHostAlloc"), 1U);
  (void)fetched(10);
  EXPECT_EQ(card_->count("cudaHostAlloc"), 2U);
}

TEST_F(StagingRingTest, WhatTheLinkStillSendsOutlivesTheStaging) {
  auto* bytes = behind();
  std::memset(bytes, 3, 100);
  const auto piece = fetched(100);
  staging_.reset();
  EXPECT_EQ(piece.bytes[99], std::byte{3});
}

TEST_F(StagingRingTest, BringsWhatLandedIntoTheCard) {
  const auto place = staging_->place_for(range(500));
  std::ranges::fill(place, std::byte{4});
  staging_->landed(place, range(500));
  EXPECT_NE(behind()[499], std::byte{4}) << "it is on its way";
  staging_->settle();
  EXPECT_EQ(behind()[499], std::byte{4});
}

TEST_F(StagingRingTest, WaitsForACopyWhenEveryBufferIsUnderWay) {
  for (std::size_t i = 0; i < 2 * kSlots; ++i) {
    const auto place = staging_->place_for(range(8));
    std::ranges::fill(place, static_cast<std::byte>(i));
    staging_->landed(place, range(8));
  }
  staging_->settle();
  EXPECT_EQ(behind()[0], static_cast<std::byte>(2 * kSlots - 1)) << "in the order of landing";
  for (std::size_t i = 0; i < kSlots; ++i) (void)staging_->place_for(range(8));
  EXPECT_THROW((void)staging_->place_for(range(8)), Error) << "no honest peer sends so many";
}

TEST_F(StagingRingTest, ForgetsAPayloadWhoseRangeIsGone) {
  for (std::size_t i = 0; i < 3 * kSlots; ++i) staging_->landed(staging_->place_for(range(8)), {});
}

TEST_F(StagingRingTest, GivesABufferBackWhenTheCopyCannotBegin) {
  for (std::size_t i = 0; i < 2 * kSlots; ++i) {
    card_->fail("cudaMemcpyAsync", static_cast<Status>(700));
    EXPECT_THROW((void)staging_->fetch(range(8), {}, false), Error);
  }
  EXPECT_TRUE(staging_->fetch(range(8), {}, false));
}

TEST_F(StagingRingTest, LeavesTheCopyToALinkThatReachesTheCard) {
  const auto direct = device_->stage({kPayload, 16384});
  const auto piece = direct->fetch(range(16384), {}, true);
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->bytes.data(), memory_.bytes.data());
  EXPECT_TRUE(direct->ready(*piece));
  EXPECT_EQ(direct->place_for(range(20000)).data(), memory_.bytes.data());
  EXPECT_NE(direct->place_for(range(100)).data(), memory_.bytes.data()) << "small ones are copied";
  EXPECT_NE(direct->fetch(range(16384), {}, false)->bytes.data(), memory_.bytes.data());

  bool done = false;
  card_->work(program_, [&done] { done = true; });
  const auto fence = device_->fence();
  while (!direct->fetch(range(16384), fence, true)) {
  }
  EXPECT_TRUE(done) << "the link would have read before it";
}

}  // namespace
}  // namespace cardswap
