/// The cuda device over the stand-in for CUDA's runtime: whose streams are as late as they may be,
/// and whose memory crashes who touches it.

#include "cuda/cuda_device.h"

#include <gmock/gmock.h>

#include <cstring>

#include "migrator/base/error.h"
#include "tests/stand_ins/cudart/runtime.h"

namespace cardswap {
namespace {

using cuda::Status;
using ::testing::HasSubstr;
using ::testing::Not;

class CudaDeviceTest : public ::testing::Test {
 protected:
  CudaDeviceTest() { card_->forget_calls(); }
  ~CudaDeviceTest() override {
    device_.reset();
    EXPECT_EQ(card_->leaks(), "");
  }
  /// Memory of the card with known bytes.
  Buffer filled(std::size_t bytes, unsigned seed) {
    auto buffer = device_->allocate(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      card_->behind(buffer.bytes.data())[i] = static_cast<std::byte>(i * 131 + i / 256 + seed);
    }
    return buffer;
  }
  std::span<const std::byte> behind(const Buffer& buffer) {
    return {card_->behind(buffer.bytes.data()), buffer.bytes.size()};
  }
  std::vector<Digest> digests(const std::vector<Buffer>& buffers, const Fence& after = {}) {
    std::vector<MemoryRange> ranges;
    for (const auto& buffer : buffers) ranges.push_back({device_.get(), buffer.bytes});
    std::vector<Digest> result(ranges.size());
    device_->digest(ranges, result, after);
    return result;
  }

  std::shared_ptr<test::StandInCudart> card_ = std::make_shared<test::StandInCudart>();
  cuda::Stream program_ = card_->program_stream();
  std::shared_ptr<cuda::CudaDevice> device_ =
      cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
};

TEST_F(CudaDeviceTest, IsNamedByIndexForPeopleAndByUuidInside) {
  EXPECT_EQ(device_->info().name, "cuda:0");
  EXPECT_EQ(device_->info().uuid, "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f");
  EXPECT_EQ(device_->info().kind, MemoryKind::cuda);
}

TEST_F(CudaDeviceTest, LoadsItsKernelsBeforeTheProgramTrains) {
  const auto other = cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  EXPECT_EQ(card_->count("digest"), 1U);
  EXPECT_EQ(card_->count("gather"), 1U);
}

TEST_F(CudaDeviceTest, ACardWithoutKernelsTrainsAndTellsTheMigration) {
  card_->fail("digest", static_cast<Status>(209), 1);
  const auto other = cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  const auto buffer = other->allocate(10);
  const MemoryRange range{other.get(), buffer.bytes};
  Digest digest;
  card_->fail("digest", static_cast<Status>(209), 1);
  EXPECT_THROW(other->digest({&range, 1}, {&digest, 1}, {}), Error);
}

TEST_F(CudaDeviceTest, DigestsAfterItsPinnedMemoryWasRefusedOnce) {
  card_->fail("cudaHostAlloc", static_cast<Status>(700));
  device_ = cuda::CudaDevice::open(card_, 0, {[this] { return program_; }, {}});
  const auto buffer = filled(10, 1);
  EXPECT_EQ(digests({buffer}).front(), digest_of(behind(buffer)));
}

TEST_F(CudaDeviceTest, DigestsManyRangesAsTheCpuDoes) {
  std::vector<Buffer> buffers;
  for (const std::size_t size :
       {1U, 16U, 300U, 4097U, 65535U, 65536U, 65537U, 1048576U, 1048577U, 2621440U}) {
    buffers.push_back(filled(size, static_cast<unsigned>(size)));
  }
  const auto got = digests(buffers);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(got[i], digest_of(behind(buffers[i]))) << buffers[i].bytes.size() << " bytes";
  }
  EXPECT_EQ(card_->count("digest"), 1U) << "one launch for all of them";
}

TEST_F(CudaDeviceTest, DigestsAnEmptyRange) {
  std::vector<Digest> result(1);
  const MemoryRange nothing{device_.get(), {}};
  device_->digest({&nothing, 1}, result, {});
  EXPECT_EQ(result[0], digest_of({}));
}

TEST_F(CudaDeviceTest, ReadsBehindTheProgramsStream) {
  const auto buffer = filled(5000, 1);
  auto* bytes = card_->behind(buffer.bytes.data());
  card_->work(program_, [bytes] { std::memset(bytes, 7, 5000); });
  const auto fence = device_->fence();
  const auto after = digests({buffer}, fence);
  EXPECT_EQ(after[0], digest_of(std::vector<std::byte>(5000, std::byte{7})));

  card_->work(program_, [bytes] { std::memset(bytes, 8, 5000); });
  std::vector<std::byte> read(5000);
  const MemoryRange range{device_.get(), buffer.bytes};
  device_->read({&range, 1}, read.data(), device_->fence());
  EXPECT_EQ(read[4999], std::byte{8});
}

TEST_F(CudaDeviceTest, DoesNotWaitForWhatTheProgramGivesItsStreamLater) {
  const auto buffer = filled(100, 1);
  const auto fence = device_->fence();
  bool later = false;
  card_->work(program_, [&later] { later = true; });
  (void)digests({buffer}, fence);
  EXPECT_FALSE(later);
  device_->wait(device_->fence());
  EXPECT_TRUE(later);
}

TEST_F(CudaDeviceTest, WaitsForNoOtherDevicesFenceAsIfItWerePassed) {
  struct OfAnotherDevice final : FencePoint {};
  const Fence fence{std::make_shared<const OfAnotherDevice>()};
  EXPECT_THROW(device_->wait(fence), Error);
  EXPECT_THROW((void)digests({filled(10, 0)}, fence), Error);
}

TEST_F(CudaDeviceTest, UsesMemoryAgainInsteadOfGivingItBack) {
  { const auto first = device_->allocate_host(3000); }
  const auto again = device_->allocate_host(4000);
  EXPECT_EQ(card_->count("cudaHostAlloc"), 1U);
  EXPECT_EQ(card_->count("cudaFreeHost"), 0U) << "that would stop the card";
  EXPECT_TRUE(again.device->is_host());
}

TEST_F(CudaDeviceTest, TakesTheFrameworksMemoryWhereThereIsSome) {
  auto own = device_->allocate(64);
  const auto from_framework = cuda::CudaDevice::open(
      card_, 0, {[this] { return program_; }, [&own](Device&, std::size_t) { return own; }});
  EXPECT_EQ(from_framework->allocate(10).bytes.data(), own.bytes.data());
}

TEST_F(CudaDeviceTest, NamesTheCallTheDeviceAndTheSizeOfAFailure) {
  card_->fail("cudaMalloc", Status::no_memory);
  try {
    (void)device_->allocate(4096);
    FAIL() << "it said that there is no memory";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::no_memory);
    EXPECT_THAT(error.failure(), HasSubstr("cudaMalloc of 4096 bytes on cuda:0: out of memory"));
  }
  card_->fail("digest", static_cast<Status>(700));
  EXPECT_THROW((void)digests({filled(10, 0)}), Error);
  EXPECT_EQ(digests({filled(10, 0)}).size(), 1U) << "and works again after it";
}

TEST_F(CudaDeviceTest, KnowsWhatTheProgramLeavesOfItsMemory) {
  card_->leave_free(1000);
  EXPECT_EQ(device_->spare_bytes(), 1000U);
  const auto cached = cuda::CudaDevice::open(
      card_, 0, {[this] { return program_; }, {}, {}, [] { return std::uint64_t{234}; }});
  EXPECT_EQ(cached->spare_bytes(), 1234U);
}

TEST(CudaDevice, LeaksNothingWhenACallFails) {
  for (const auto* call : {"cudaEventCreate", "cudaStreamCreate", "cudaHostAlloc", "cudaMalloc",
                           "cudaMemcpyAsync", "cudaEventRecord", "cudaEventSynchronize"}) {
    int failures = 0;
    for (unsigned number = 1; number < 6; ++number) {
      const auto card = std::make_shared<test::StandInCudart>();
      const auto program = card->program_stream();
      card->fail(call, static_cast<Status>(700), number);
      try {
        const auto device = cuda::CudaDevice::open(card, 0, {[program] { return program; }, {}});
        const auto memory = device->allocate(100);
        std::vector<Digest> result(1000);  // more than its buffers had room for
        device->digest(std::vector(1000, MemoryRange{device.get(), memory.bytes}), result, {});
      } catch (const Error&) {
        ++failures;
      }
      EXPECT_EQ(card->leaks(), "") << call << ", number " << number;
    }
    EXPECT_GT(failures, 0) << call;
  }
}

}  // namespace
}  // namespace cardswap
