#include "agent/jobs/runtime_report.h"

#include <gmock/gmock.h>

#include <limits>

#include "agent/jobs/job_list.h"

namespace cardswap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kGiB = 1ULL << 30;
constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

struct WhatAJobSays : ::testing::Test {
  WhatAJobSays() { job.spec.name = "gpt"; }

  Instance& of_size(std::uint64_t state_bytes) {
    channel::Tracked told;
    told.state_bytes = state_bytes;
    (void)note_sizes(instance, told, 8 * kGiB);
    return instance;
  }

  Job job;
  Instance& instance = job.instances.emplace_back(job);
};

TEST_F(WhatAJobSays, OfItsSizeCountsForItsDeviceAndNoMore) {
  EXPECT_EQ(share_of(of_size(3 * kGiB), 8 * kGiB), 3 * kGiB);
  EXPECT_EQ(share_of(of_size(9 * kGiB), 8 * kGiB), 8 * kGiB);
  EXPECT_EQ(share_of(of_size(kMax), 8 * kGiB), 8 * kGiB);
  JobList::note(of_size(0), [](InstanceRecord& record) { record.reserved_bytes = kMax; });
  EXPECT_EQ(share_of(instance, 8 * kGiB), 8 * kGiB);
}

TEST_F(WhatAJobSays, OfItsSizeIsOfAScaleThatTimesCanBeMadeOf) {
  channel::Tracked told;
  told.state_bytes = told.relocatable_bytes = told.replayed_bytes = told.update_bytes = kMax;
  (void)note_sizes(instance, told, 8 * kGiB);
  for (const auto bytes : {instance.record().state_bytes, instance.record().relocatable_bytes,
                           instance.record().replayed_bytes, instance.record().update_bytes}) {
    EXPECT_EQ(bytes, 1ULL << 50);
  }
  (void)note_sizes(instance, {}, 8 * kGiB);
  note_parked(instance, {.state_bytes = kMax});
  EXPECT_EQ(instance.record().state_bytes, 1ULL << 50);
  told.state_bytes = kGiB;
  (void)note_sizes(instance, told, 8 * kGiB);
  EXPECT_EQ(instance.record().relocatable_bytes, kGiB) << "a part of the state";
  EXPECT_EQ(instance.record().replayed_bytes, kGiB);
}

TEST_F(WhatAJobSays, IsToldOnceWithItsNameWhereItIsMoreThanTheDeviceHas) {
  JobList::note(instance, [](InstanceRecord& record) { record.device = "cuda:1"; });
  channel::Tracked told;
  told.state_bytes = 8 * kGiB;
  EXPECT_EQ(note_sizes(instance, told, 8 * kGiB), "");
  EXPECT_EQ(note_sizes(instance, told, 0), "") << "it is on no device here";
  told.state_bytes = 9 * kGiB;
  EXPECT_THAT(note_sizes(instance, told, 8 * kGiB),
              AllOf(HasSubstr("job gpt"), HasSubstr("cuda:1"), HasSubstr("8.0 GiB")));
  EXPECT_EQ(note_sizes(instance, told, 8 * kGiB), "");
}

TEST_F(WhatAJobSays, OfItsSizeIsWrittenOnceASecondHoweverOftenItIsSaid) {
  SizesOnDisk sizes;
  const auto now = SizesOnDisk::Clock::now();
  using std::chrono::milliseconds;
  EXPECT_TRUE(sizes.are_due("a", now));
  EXPECT_FALSE(sizes.are_due("a", now + milliseconds(1)));
  EXPECT_TRUE(sizes.are_due("b", now + milliseconds(2))) << "another job's";
  EXPECT_FALSE(sizes.are_due("a", now + milliseconds(999)));
  EXPECT_TRUE(sizes.are_due("a", now + milliseconds(1001)));
}

TEST_F(WhatAJobSays, OfWhereItStandsCountsUntilItStepsOrAttachesAgain) {
  note_held(instance, {.step = 7, .state_digest = {}, .failure = {}});
  EXPECT_EQ(instance.record().step, 7U);
  note_step(instance, 7, 1);
  ASSERT_TRUE(instance.held);
  note_step(instance, 8, 1);
  EXPECT_FALSE(instance.held);
  note_held(instance, {.step = kMax, .state_digest = {}, .failure = {}});
  EXPECT_EQ(instance.held->step, 1ULL << 53);
  const channel::Hello again;
  note_attached(instance, &again);
  EXPECT_FALSE(instance.held) << "it tells that again";
}

TEST_F(WhatAJobSays, OfItsStepsIsNoNegativeTimeAndNoStepThatJsonCannotCarry) {
  note_step(instance, kMax, -5);
  EXPECT_EQ(instance.record().step, 1ULL << 53);
  EXPECT_EQ(instance.median_step_ms, 0);
}

}  // namespace
}  // namespace cardswap
