#include "migrator/device/digest_run.h"

#include <gtest/gtest.h>

#include <semaphore>

#include "migrator/device/staging.h"

namespace cardswap {
namespace {

using std::chrono::seconds;

constexpr std::size_t kChunk = 4096;
constexpr std::size_t kChunks = 4;

/// Digests a chunk at a time, the first one when it is told to.
class HeldMemory final : public Device {
 public:
  explicit HeldMemory(const std::byte* first)
      : Device({"held:0", "", "", MemoryKind::host, 0}), first_(first) {}
  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
              const Fence& after) override {
    if (ranges.front().bytes.data() == first_) may_go_.acquire();
    cpu_device().digest(ranges, digests, after);
    digested_.release();
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

  std::counting_semaphore<> may_go_{0};
  std::counting_semaphore<> digested_{0};

 private:
  const std::byte* first_;
};

TEST(DigestRun, TellsHowFarItIsFromTheFirstChunkOn) {
  std::vector<std::byte> bytes(kChunks * kChunk, std::byte{3});
  HeldMemory memory(bytes.data());
  std::vector<MemoryRange> chunks;
  for (std::size_t i = 0; i < kChunks; ++i) {
    chunks.push_back({&memory, std::span(bytes).subspan(i * kChunk, kChunk)});
  }
  std::counting_semaphore<> woken(0);
  DigestRun job(chunks, {}, 2, [&] { woken.release(); });
  for (std::size_t i = 1; i < kChunks; ++i) {
    ASSERT_TRUE(memory.digested_.try_acquire_for(seconds(30)));
  }
  EXPECT_EQ(job.ready(), 0U) << "the first one is not digested, whatever else is";
  memory.may_go_.release();
  while (job.ready() != kChunks) {
    job.wake_for_more();
    if (job.ready() == kChunks) break;
    ASSERT_TRUE(woken.try_acquire_for(seconds(30)));
  }
  for (std::size_t i = 0; i < kChunks; ++i) EXPECT_EQ(job.digest(i), digest_of(chunks[i].bytes));
}

}  // namespace
}  // namespace cardswap
