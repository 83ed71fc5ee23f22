/// The kernels, copies and arenas on a real card, against the cpu device. Skipped, with the reason,
/// where there is none; scripts/gpu_check.sh runs them where there is one. The same over the
/// stand-ins is a test of these tests.

#include <gmock/gmock.h>

#include <cstring>
#include <random>

#include "cuda/cuda_device.h"
#include "migrator/base/error.h"
#include "migrator/core/byte_shuffle.h"
#include "migrator/device/arena.h"
#include "migrator/device/staging.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"
#include "tests/unit/cuda/card_under_test.h"

namespace cardswap {
namespace {

/// The test's own bytes of a card's memory.
std::vector<std::byte> read_back(cuda::CudaDevice& device, std::span<std::byte> range) {
  std::vector<std::byte> bytes(range.size());
  const MemoryRange from{&device, range};
  device.read({&from, 1}, bytes.data(), {});
  return bytes;
}

std::vector<std::byte> part_of(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  const auto part = bytes.subspan(at, size);
  return {part.begin(), part.end()};
}

std::vector<std::byte> arrived(Staging& staging, const StagedPayload& fetched) {
  while (!staging.is_ready(fetched)) {
  }
  return {fetched.bytes.begin(), fetched.bytes.end()};
}

class OnCard : public ::testing::Test {
 protected:
  void SetUp() override {
    test::CardUnderTest card;
    try {
      card = test::card_under_test();
    } catch (const Error& error) {
      return test::skip_without("gpu", error.what());
    }
    runtime_ = card.runtime;
    int count = 0;
    const auto status = runtime_->device_count(count);
    if (status != cuda::Status::ok || count == 0) {
      return test::skip_without("gpu", std::string("no card: ") + runtime_->text(status));
    }
    ASSERT_EQ(runtime_->set_device(0), cuda::Status::ok);
    ASSERT_EQ(runtime_->make_stream(program_), cuda::Status::ok);
    device_ =
        cuda::CudaDevice::open(runtime_, 0, {[this] { return program_; }, {}, {}}, card.load_vmm);
  }
  void TearDown() override {
    device_.reset();
    if (program_ != nullptr) (void)runtime_->release_stream(program_);
  }
  static std::vector<std::byte> random_bytes(std::size_t size) {
    std::mt19937_64 random(size);
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }
  void put(std::span<const std::byte> bytes, std::span<std::byte> range) {
    const auto staging = device_->stage({bytes.size(), std::nullopt});
    const auto place = staging->reserve(range, true);
    std::ranges::copy(bytes, place.begin());
    staging->on_received(place, range, {});
    staging->drain();
  }

  std::shared_ptr<cuda::Cudart> runtime_;
  cuda::Stream program_ = nullptr;
  std::shared_ptr<cuda::CudaDevice> device_;
};

TEST_F(OnCard, DigestsEveryLengthAsTheCpuDoes) {
  const auto bytes = random_bytes(5000);
  const auto memory = device_->allocate(bytes.size());
  put(bytes, memory.bytes);
  std::vector<MemoryRange> ranges;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    ranges.push_back({device_.get(), memory.bytes.first(size)});
  }
  std::vector<Digest> got(ranges.size());
  device_->digest(ranges, got, {});
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    ASSERT_EQ(got[size], digest_of(std::span(bytes).first(size))) << size;
  }
}

TEST_F(OnCard, DigestsLargeAndUnalignedRangesAsTheCpuDoes) {
  const auto bytes = random_bytes((9U << 20U) + 4096);
  const auto memory = device_->allocate(bytes.size());
  put(bytes, memory.bytes);
  for (const std::size_t shift : {0U, 1U, 4U, 8U, 16U, 4096U}) {
    std::vector<MemoryRange> ranges;
    for (const std::size_t size :
         {4097U, 65535U, 65536U, 65537U, 262145U, 1048576U, 1048577U, 9U << 20U}) {
      ranges.push_back({device_.get(), memory.bytes.subspan(shift).first(size)});
    }
    std::vector<Digest> got(ranges.size());
    device_->digest(ranges, got, {});
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto size = ranges[i].bytes.size();
      EXPECT_EQ(got[i], digest_of(std::span(bytes).subspan(shift, size))) << shift << " " << size;
    }
  }
}

TEST_F(OnCard, BringsBytesThereAndBack) {
  const auto bytes = random_bytes(3U << 20U);
  const auto memory = device_->allocate(bytes.size());
  put(bytes, memory.bytes);
  const auto staging = device_->stage({1U << 20U, std::nullopt});
  for (std::size_t at = 0; at < bytes.size(); at += 1U << 20U) {
    const Payload payload{{device_.get(), memory.bytes.subspan(at, 1U << 20U)}};
    const auto pieces = staging->fetch({&payload, 1}, {}, {});
    ASSERT_EQ(pieces.size(), 1U);
    EXPECT_EQ(arrived(*staging, pieces.front()), part_of(bytes, at, 1U << 20U));
  }
  std::vector<std::byte> read(bytes.size());
  const MemoryRange range{device_.get(), memory.bytes};
  device_->read({&range, 1}, read.data(), device_->fence());
  EXPECT_EQ(read, bytes);
}

TEST_F(OnCard, GathersShufflesAndScattersAsTheHostDoes) {
  const auto bytes = random_bytes((3U << 20U) + 7);
  const auto memory = device_->allocate(bytes.size());
  put(bytes, memory.bytes);
  for (const std::uint8_t element_bytes : {1, 2, 4, 8}) {
    std::vector<Payload> payloads;
    for (std::size_t at = 0, size = 1; at + size < bytes.size(); at += size, size = size * 2 + 3) {
      payloads.push_back({{device_.get(), memory.bytes.subspan(at, size)}, element_bytes});
    }
    const auto there = device_->allocate(bytes.size());
    const auto staging = device_->stage({2U << 20U, std::nullopt});
    const auto fetched = staging->fetch(payloads, {}, {false, true});
    ASSERT_EQ(fetched.size(), payloads.size());
    for (std::size_t i = 0; i < fetched.size(); ++i) {
      const auto range = payloads[i].range.bytes;
      const auto at = static_cast<std::size_t>(range.data() - memory.bytes.data());
      std::vector<std::byte> shuffled(range.size());
      shuffle_bytes(std::span(bytes).subspan(at, range.size()), shuffled, element_bytes);
      ASSERT_EQ(arrived(*staging, fetched[i]), shuffled) << range.size();
      const auto to = there.bytes.subspan(at, range.size());
      const auto place = staging->reserve(to, true);
      std::ranges::copy(shuffled, place.begin());
      staging->on_received(place, to, fetched[i].shuffle);
    }
    staging->drain();
    const auto end = payloads.back().range.bytes;
    const auto moved = static_cast<std::size_t>(end.data() + end.size() - memory.bytes.data());
    EXPECT_EQ(read_back(*device_, there.bytes.first(moved)), part_of(bytes, 0, moved));
  }
}

TEST_F(OnCard, AnArenaKeepsItsBytesAndAddressesWhileItsMemoryIsElsewhere) {
  if (test::kThreadSanitizer) return test::skip_without("unsanitized", test::kNoAddresses);
  const auto arena = device_->reserve_arena(0, 0);
  const auto small = arena->allocate(1000);
  const auto large = arena->allocate((80U << 20U) + 24);  // over a piece's end
  const auto bytes = random_bytes(large->size());
  put(bytes, *large);
  put(std::span(bytes).first(1000), *small);
  EXPECT_EQ(read_back(*device_, *large), bytes);
  auto pieces = arena->pieces();
  EXPECT_GE(pieces.size(), 2U);
  arena->unbind();
  EXPECT_FALSE(arena->is_bound());
  // Nothing of this process holds the memory but the exported files.
  arena->bind(std::move(pieces), arena->base());
  EXPECT_EQ(read_back(*device_, *large), bytes);
  EXPECT_EQ(read_back(*device_, *small), std::vector(bytes.begin(), bytes.begin() + 1000));
  Digest digest;
  const MemoryRange range{device_.get(), *large};
  device_->digest({&range, 1}, {&digest, 1}, {});
  EXPECT_EQ(digest, digest_of(bytes));
}

TEST_F(OnCard, AnArenaIsReceivedAtTheSameAddressesAndATakenRangeIsRefused) {
  if (test::kThreadSanitizer) return test::skip_without("unsanitized", test::kNoAddresses);
  std::uint64_t base = 0;
  {
    const auto arena = device_->reserve_arena(0, 0);
    base = arena->base();
    try {
      (void)device_->reserve_arena(base, 1U << 20U);
      FAIL() << "two arenas at one address";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::refused) << error.what();
    }
  }
  const auto bytes = random_bytes(5U << 20U);
  std::vector<ArenaPiece> pieces;
  {
    const auto holder = device_->reserve_arena(base, bytes.size());
    holder->ensure_bytes(bytes.size());
    put(bytes, {holder->head().data(), bytes.size()});
    pieces = holder->pieces();
  }
  const auto arena = device_->reserve_arena(base, bytes.size());
  ASSERT_EQ(arena->base(), base);
  arena->bind(std::move(pieces), base);
  EXPECT_EQ(read_back(*device_, {arena->head().data(), bytes.size()}), bytes);
}

}  // namespace
}  // namespace cardswap
