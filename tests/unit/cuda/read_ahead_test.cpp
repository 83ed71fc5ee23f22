/// Payloads of a card on their way to a link that reaches its memory, and back from one.

#include <gmock/gmock.h>

#include "cuda/cuda_device.h"
#include "cuda/cuda_staging.h"
#include "migrator/base/error.h"
#include "migrator/core/byte_shuffle.h"
#include "migrator/engine/source/sending/read_ahead.h"
#include "migrator/engine/target/receive_buffers.h"
#include "tests/stand_ins/cudart/runtime.h"

namespace cardswap {
namespace {

constexpr std::size_t kPayload = 16U << 20U;
constexpr std::size_t kSlots = cuda::kRingBytes / kPayload;

class ReadAheadTest : public ::testing::Test {
 protected:
  StagedPayload next(ReadAhead& ahead) {
    for (;;) {
      if (auto fetched = ahead.next()) return *fetched;
    }
  }
  MemoryRange part(std::size_t index, std::size_t bytes) {
    return {device_.get(), memory_.bytes.subspan(index * bytes, bytes)};
  }
  bool is_itself(const StagedPayload& fetched, const MemoryRange& range) {
    return fetched.bytes.data() == range.bytes.data();
  }

  std::shared_ptr<test::StandInCudart> card_ = std::make_shared<test::StandInCudart>();
  cuda::Stream program_ = card_->program_stream();
  std::shared_ptr<cuda::CudaDevice> device_ =
      cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  Buffer memory_ = device_->allocate(kPayload);
  StagingPool stagings_{[](MemoryKind) { return 0; }, kPayload};  // the link reaches any memory
  PayloadCompressor no_compression_{Compression::off};
};

TEST_F(ReadAheadTest, GoesStraightAsSoonAsTheLinkTurnsOutFast) {
  bool fast = false;
  ReadAhead ahead(
      stagings_, {}, [&fast] { return fast; }, no_compression_);
  const auto range = part(0, 1U << 20U);
  for (std::size_t i = 0; i < kSlots + 2; ++i) ahead.want(range, 4);
  EXPECT_FALSE(is_itself(next(ahead), range));
  fast = true;
  for (std::size_t i = 1; i < kSlots; ++i) EXPECT_FALSE(is_itself(next(ahead), range)) << "begun";
  EXPECT_TRUE(is_itself(next(ahead), range));
  EXPECT_TRUE(is_itself(next(ahead), range));
}

TEST_F(ReadAheadTest, KeepsTheOrderOverDevicesAndSizes) {
  ReadAhead ahead(
      stagings_, {}, [] { return false; }, no_compression_);
  std::vector<std::byte> host(100, std::byte{7});
  std::vector<MemoryRange> ranges;
  for (std::size_t i = 0; i < 40; ++i) {
    ranges.push_back(i % 7 == 3 ? MemoryRange{&cpu_device(), host}
                                : part(i, i % 5 == 0 ? 90000 : 999));
    ahead.want(ranges.back(), 4);
  }
  for (std::size_t i = 0; i < memory_.bytes.size(); ++i) {
    card_->behind(memory_.bytes.data())[i] = static_cast<std::byte>(i * 13 + i / 555);
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const auto fetched = next(ahead);
    const auto& bytes = ranges[i].bytes;
    EXPECT_TRUE(
        std::ranges::equal(fetched.bytes, std::span(card_->behind(bytes.data()), bytes.size())))
        << i;
  }
  EXPECT_FALSE(ahead.next());
}

TEST_F(ReadAheadTest, ShufflesWhatWillBeCompressedAndNothingSmaller) {
  const PayloadCompressor lz4{Compression::lz4};
  ReadAhead ahead(
      stagings_, {}, [] { return false; }, lz4);
  ahead.want(part(0, 8192), 4);
  ahead.want(part(3, 1000), 4);
  EXPECT_EQ(next(ahead).shuffle, (ByteShuffle{4, true}));
  EXPECT_FALSE(next(ahead).shuffle.done);
}

TEST_F(ReadAheadTest, ACompressedPayloadLandsWhereTheHostCanDecompressIt) {
  ReceiveBuffers landings;
  const auto range = part(0, 8000);
  const std::vector<std::byte> plain{std::byte{1}};
  const std::vector<std::byte> compressed{std::byte{2}};
  EXPECT_EQ(landings.reserve(stagings_, plain, range, true).data(), range.bytes.data());
  const auto place = landings.reserve(stagings_, compressed, range, false);
  EXPECT_NE(place.data(), range.bytes.data());
  EXPECT_THROW((void)landings.reserve(stagings_, compressed, range, false), Error) << "twice";

  std::vector<std::byte> elements(range.bytes.size());
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<std::byte>(i * 3);
  const ByteShuffle planes{4, true};
  ASSERT_EQ(landings.shuffle_for(compressed, 4), planes) << "the card takes them apart";
  shuffle_bytes(elements, place, 4);
  landings.on_received(compressed, planes);
  stagings_.drain();
  EXPECT_TRUE(
      std::ranges::equal(std::span(card_->behind(range.bytes.data()), elements.size()), elements));
}

}  // namespace
}  // namespace cardswap
