#include "agent/jobs/told.h"

#include <gmock/gmock.h>

#include <limits>

namespace cardswap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();

Job job_of(std::uint64_t state_bytes) {
  Job job;
  job.name = "gpt";
  job.device = "cpu:0";
  channel::Tracked told;
  told.state_bytes = state_bytes;
  (void)note_sizes(job, told, 8 * kGiB);
  return job;
}

TEST(WhatAJobSays, OfItsSizeCountsForItsDeviceAndNoMore) {
  EXPECT_EQ(share_of(job_of(3 * kGiB), 8 * kGiB), 3 * kGiB);
  EXPECT_EQ(share_of(job_of(9 * kGiB), 8 * kGiB), 8 * kGiB);
  EXPECT_EQ(share_of(job_of(kMost), 8 * kGiB), 8 * kGiB);
  auto reserved = job_of(0);
  reserved.reserved_bytes = kMost;
  EXPECT_EQ(share_of(reserved, 8 * kGiB), 8 * kGiB);
}

TEST(WhatAJobSays, OfItsSizeIsOfAScaleThatTimesCanBeMadeOf) {
  Job job;
  channel::Tracked told;
  told.state_bytes = told.relocatable_bytes = told.replayed_bytes = told.update_bytes = kMost;
  (void)note_sizes(job, told, 8 * kGiB);
  for (const auto bytes : {job.state_bytes, job.relocatable_bytes, job.replayed_bytes,
                           job.update_bytes, bounded_bytes(kMost)}) {
    EXPECT_EQ(bytes, 1ULL << 50);
  }
  told.state_bytes = kGiB;
  (void)note_sizes(job, told, 8 * kGiB);
  EXPECT_EQ(job.relocatable_bytes, kGiB) << "a part of the state";
  EXPECT_EQ(job.replayed_bytes, kGiB);
}

TEST(WhatAJobSays, IsToldOnceWithItsNameWhereItIsMoreThanTheDeviceHas) {
  Job job;
  job.name = "gpt";
  job.device = "cuda:1";
  channel::Tracked told;
  told.state_bytes = 8 * kGiB;
  EXPECT_EQ(note_sizes(job, told, 8 * kGiB), "");
  told.state_bytes = 9 * kGiB;
  EXPECT_THAT(note_sizes(job, told, 8 * kGiB),
              AllOf(HasSubstr("job gpt"), HasSubstr("cuda:1"), HasSubstr("8.0 GiB")));
  EXPECT_EQ(note_sizes(job, told, 8 * kGiB), "");
}

TEST(WhatAJobSays, OfItsSizeIsWrittenOnceASecondHoweverOftenItIsSaid) {
  SizesOnDisk sizes;
  const auto now = SizesOnDisk::Clock::now();
  using std::chrono::milliseconds;
  EXPECT_TRUE(sizes.are_due("a", now));
  EXPECT_FALSE(sizes.are_due("a", now + milliseconds(1)));
  EXPECT_TRUE(sizes.are_due("b", now + milliseconds(2))) << "another job's";
  EXPECT_FALSE(sizes.are_due("a", now + milliseconds(999)));
  EXPECT_TRUE(sizes.are_due("a", now + milliseconds(1001)));
}

TEST(WhatAJobSays, OfItsStepsIsNoNegativeTimeAndNoStepThatJsonCannotCarry) {
  Job job;
  note_step(job, kMost, -5);
  EXPECT_EQ(job.step, 1ULL << 53);
  EXPECT_EQ(job.median_step_ms, 0);
}

}  // namespace
}  // namespace cardswap
