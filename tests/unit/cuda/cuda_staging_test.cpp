#include "cuda/cuda_staging.h"

#include <gmock/gmock.h>

#include <cstring>

#include "cuda/cuda_device.h"
#include "migrator/base/error.h"
#include "migrator/core/byte_shuffle.h"
#include "tests/stand_ins/cudart/runtime.h"

namespace cardswap {
namespace {

using cuda::Status;

constexpr std::size_t kPayload = 16U << 20U;
constexpr std::size_t kSlots = cuda::kRingBytes / kPayload;
static_assert(kSlots > kPayloadsInFlightMax);

class CudaStagingTest : public ::testing::Test {
 protected:
  ~CudaStagingTest() override {
    staging_.reset();
    memory_ = {};
    device_.reset();
    EXPECT_EQ(card_->leaks(), "");
  }
  std::span<std::byte> range(std::size_t bytes) { return memory_.bytes.first(bytes); }
  void fill_memory() {
    for (std::size_t i = 0; i < memory_.bytes.size(); ++i) {
      behind()[i] = static_cast<std::byte>(i * 31 + i / 777);
    }
  }
  std::byte* behind() { return card_->behind(memory_.bytes.data()); }
  std::optional<StagedPayload> fetch(Staging& staging, std::size_t bytes, const Fence& after = {},
                                     FetchOptions options = {}) {
    const Payload payload{{device_.get(), range(bytes)}};
    auto begun = staging.fetch({&payload, 1}, after, options);
    if (begun.empty()) return std::nullopt;
    return begun.front();
  }
  /// Buffers that the ring lends before it has none.
  std::size_t places_left() {
    std::size_t count = 0;
    try {
      for (; count <= 4 * kSlots; ++count) (void)staging_->reserve(range(8), true);
    } catch (const Error&) {
      // It has none.
    }
    return count;
  }
  void wait_for(const StagedPayload& fetched) {
    while (!staging_->is_ready(fetched)) {
    }
  }
  StagedPayload fetched(std::size_t bytes) {
    auto result = fetch(*staging_, bytes, device_->fence());
    EXPECT_TRUE(result);
    wait_for(*result);
    return *result;
  }

  std::shared_ptr<test::StandInCudart> card_ = std::make_shared<test::StandInCudart>();
  cuda::Stream program_ = card_->program_stream();
  std::shared_ptr<cuda::CudaDevice> device_ =
      cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  Buffer memory_ = device_->allocate(kPayload);
  std::unique_ptr<Staging> staging_ = device_->stage({kPayload, std::nullopt});
};

TEST_F(CudaStagingTest, FetchesBehindTheProgramsStream) {
  auto* bytes = behind();
  card_->work(program_, [bytes] { std::memset(bytes, 9, 1000); });
  auto piece = fetch(*staging_, 1000, device_->fence());
  ASSERT_TRUE(piece);
  EXPECT_NE(piece->bytes[999], std::byte{9}) << "nothing has been copied yet";
  wait_for(*piece);
  EXPECT_EQ(piece->bytes[0], std::byte{9});
  EXPECT_EQ(piece->bytes[999], std::byte{9});
}

TEST_F(CudaStagingTest, LendsEachBufferToOnePayloadAtATime) {
  std::vector<StagedPayload> sending;
  for (std::size_t i = 0; i < kSlots; ++i) {
    auto piece = fetch(*staging_, 10);
    ASSERT_TRUE(piece) << i;
    for (const auto& other : sending) EXPECT_NE(other.bytes.data(), piece->bytes.data());
    sending.push_back(std::move(*piece));
  }
  EXPECT_FALSE(fetch(*staging_, 10)) << "all of them are with the link";
  sending.erase(sending.begin());
  EXPECT_TRUE(fetch(*staging_, 10));
}

TEST_F(CudaStagingTest, PinsLittleForALittleJob) {
  card_->forget_calls();
  const auto small = device_->stage({1U << 20U, std::nullopt});
  (void)fetch(*small, 10);
  EXPECT_EQ(card_->count("cudaHostAlloc"), 1U);
  (void)fetched(10);
  EXPECT_EQ(card_->count("cudaHostAlloc"), 2U);
}

TEST_F(CudaStagingTest, WhatTheLinkStillSendsOutlivesTheStaging) {
  auto* bytes = behind();
  std::memset(bytes, 3, 100);
  const auto piece = fetched(100);
  staging_.reset();
  EXPECT_EQ(piece.bytes[99], std::byte{3});
}

TEST_F(CudaStagingTest, BringsWhatLandedIntoTheCard) {
  const auto place = staging_->reserve(range(500), true);
  std::ranges::fill(place, std::byte{4});
  staging_->on_received(place, range(500), {});
  EXPECT_NE(behind()[499], std::byte{4}) << "it is on its way";
  staging_->drain();
  EXPECT_EQ(behind()[499], std::byte{4});
}

TEST_F(CudaStagingTest, WaitsForACopyWhenEveryBufferIsUnderWay) {
  for (std::size_t i = 0; i < 2 * kSlots; ++i) {
    const auto place = staging_->reserve(range(8), true);
    std::ranges::fill(place, static_cast<std::byte>(i));
    staging_->on_received(place, range(8), {});
  }
  staging_->drain();
  EXPECT_EQ(behind()[0], static_cast<std::byte>(2 * kSlots - 1)) << "in the order of landing";
  for (std::size_t i = 0; i < kSlots; ++i) (void)staging_->reserve(range(8), true);
  EXPECT_THROW((void)staging_->reserve(range(8), true), Error) << "no honest peer sends so many";
}

TEST_F(CudaStagingTest, ForgetsAPayloadWhoseRangeIsGone) {
  for (std::size_t i = 0; i < 3 * kSlots; ++i) {
    staging_->on_received(staging_->reserve(range(8), true), {}, {});
  }
  EXPECT_EQ(places_left(), kSlots) << "each buffer is free again";
}

TEST_F(CudaStagingTest, GivesABufferBackWhenTheCopyCannotBegin) {
  for (std::size_t i = 0; i < 2 * kSlots; ++i) {
    card_->fail("cudaMemcpyAsync", static_cast<Status>(700));
    EXPECT_THROW((void)fetch(*staging_, 8), Error);
  }
  EXPECT_TRUE(fetch(*staging_, 8));
}

TEST_F(CudaStagingTest, GathersSmallPayloadsByOneLaunch) {
  fill_memory();
  std::vector<Payload> payloads;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    payloads.push_back({{device_.get(), memory_.bytes.subspan(at, 1 + i * 37)}, 4});
    at += payloads.back().range.bytes.size();
  }
  card_->forget_calls();
  auto begun = staging_->fetch(payloads, device_->fence(), {});
  ASSERT_EQ(begun.size(), payloads.size());
  EXPECT_EQ(card_->count("gather"), 2U) << "64 pieces each";
  EXPECT_EQ(card_->count("cudaMemcpyAsync"), 0U);
  for (std::size_t i = 0; i < begun.size(); ++i) {
    wait_for(begun[i]);
    EXPECT_FALSE(begun[i].shuffle.done);
    const auto range = payloads[i].range.bytes;
    EXPECT_TRUE(
        std::ranges::equal(begun[i].bytes, std::span(card_->behind(range.data()), range.size())));
  }
  // A buffer is in use until the last of its payloads was sent.
  begun.erase(begun.begin(), begun.end() - 1);
  std::vector<std::optional<StagedPayload>> others;
  for (std::size_t i = 1; i < kSlots; ++i) others.push_back(fetch(*staging_, 100000));
  EXPECT_TRUE(others.back());
  EXPECT_FALSE(fetch(*staging_, 100000));
  begun.clear();
  EXPECT_TRUE(fetch(*staging_, 100000));
}

TEST_F(CudaStagingTest, GathersNoMoreThanABufferHolds) {
  const auto small = device_->stage({100000, std::nullopt});
  const Payload payload{{device_.get(), range(50000)}};
  card_->forget_calls();
  const auto begun = small->fetch(std::vector(4, payload), {}, {});
  ASSERT_EQ(begun.size(), 4U);
  EXPECT_EQ(card_->count("cudaMemcpyAsync"), 0U);
  EXPECT_EQ(card_->count("gather"), 2U);
}

TEST_F(CudaStagingTest, ShufflesWhatIsToBeCompressed) {
  fill_memory();
  const std::size_t size = 1000003;
  for (const std::uint8_t element_bytes : {1, 2, 4, 8, 16}) {
    const Payload payload{{device_.get(), range(size)}, element_bytes};
    const auto begun = staging_->fetch({&payload, 1}, {}, {false, true});
    ASSERT_EQ(begun.size(), 1U);
    wait_for(begun.front());
    const auto shuffle = begun.front().shuffle;
    EXPECT_EQ(shuffle.element_bytes, element_bytes);
    EXPECT_EQ(shuffle.done, element_bytes != 1 && element_bytes != 16) << "or the host shuffles it";
    std::vector<std::byte> shuffled(size);
    shuffle_bytes({behind(), size}, shuffled, shuffle.done ? element_bytes : std::uint8_t{1});
    EXPECT_TRUE(std::ranges::equal(begun.front().bytes, shuffled)) << int{element_bytes};
  }
}

TEST_F(CudaStagingTest, ScattersSmallPayloadsByOneLaunch) {
  card_->forget_calls();
  for (std::size_t i = 0; i < 10; ++i) {
    const auto to = memory_.bytes.subspan(i * 1000, 1000);
    const auto place = staging_->reserve(to, false);
    std::ranges::fill(place, static_cast<std::byte>(i + 1));
    staging_->on_received(place, to, {});
  }
  EXPECT_EQ(card_->count("gather"), 0U) << "more may come";
  staging_->drain();
  EXPECT_EQ(card_->count("gather"), 1U);
  EXPECT_EQ(card_->count("cudaMemcpyAsync"), 0U);
  for (std::size_t i = 0; i < 10000; ++i) {
    ASSERT_EQ(behind()[i], static_cast<std::byte>(i / 1000 + 1)) << i;
  }
}

TEST_F(CudaStagingTest, PutsPlanesBackIntoElements) {
  for (const std::size_t size : {5000U, 1000003U}) {
    std::vector<std::byte> elements(size);
    for (std::size_t i = 0; i < size; ++i) elements[i] = static_cast<std::byte>(i * i / 7);
    const auto place = staging_->reserve(range(size), false);
    shuffle_bytes(elements, place, 4);
    const ByteShuffle planes{4, true};
    ASSERT_EQ(staging_->shuffle_for(4), planes);
    staging_->on_received(place, range(size), planes);
    staging_->drain();
    EXPECT_TRUE(std::ranges::equal(std::span(behind(), size), elements)) << size;
  }
}

TEST_F(CudaStagingTest, WhatLandedForNobodyIsNotBroughtIntoTheCard) {
  const auto place = staging_->reserve(range(10), false);
  staging_->on_received(place, range(10), {});
  card_->forget_calls();
  staging_.reset();  // the range may be somebody else's by now
  EXPECT_EQ(card_->count("gather") + card_->count("cudaMemcpyAsync"), 0U);
}

TEST_F(CudaStagingTest, GivesABufferBackWhenTheKernelCannotBegin) {
  const std::vector<Payload> two(2, Payload{{device_.get(), range(8)}});
  for (std::size_t i = 0; i < 2 * kSlots; ++i) {
    card_->fail("gather", static_cast<Status>(700));
    EXPECT_THROW((void)staging_->fetch(two, {}, {}), Error);
  }
  EXPECT_EQ(staging_->fetch(two, {}, {}).size(), 2U);
}

TEST_F(CudaStagingTest, LeavesTheCopyToALinkThatReachesTheCard) {
  const auto direct = device_->stage({kPayload, 16384});
  const auto piece = fetch(*direct, 16384, {}, {true});
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->bytes.data(), memory_.bytes.data());
  EXPECT_TRUE(direct->is_ready(*piece));
  EXPECT_EQ(direct->reserve(range(20000), true).data(), memory_.bytes.data());
  EXPECT_NE(direct->reserve(range(20000), false).data(), memory_.bytes.data())
      << "a compressed payload is the host's to decompress";
  EXPECT_NE(direct->reserve(range(100), true).data(), memory_.bytes.data())
      << "small ones are copied";
  EXPECT_NE(fetch(*direct, 16384)->bytes.data(), memory_.bytes.data());

  bool done = false;
  card_->work(program_, [&done] { done = true; });
  const auto fence = device_->fence();
  while (!fetch(*direct, 16384, fence, {true})) {
  }
  EXPECT_TRUE(done) << "the link would have read before it";
}

}  // namespace
}  // namespace cardswap
