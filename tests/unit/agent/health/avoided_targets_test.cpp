#include "agent/health/avoided_targets.h"

#include <gmock/gmock.h>

namespace cardswap::health {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AvoidedTargets, AreThoseThatRefusedTheJob) {
  AvoidedTargets avoided;
  avoided.add("gpt", 1, "gpu-b:7070/cuda:0");
  avoided.add("gpt", 1, "gpu-c:7070/cuda:0");
  avoided.add("cnn", 1, "gpu-d:7070/cuda:0");
  EXPECT_THAT(avoided.targets_of("gpt"), ElementsAre("gpu-b:7070/cuda:0", "gpu-c:7070/cuda:0"));
  avoided.forget("gpt");
  EXPECT_THAT(avoided.targets_of("gpt"), IsEmpty());
  EXPECT_THAT(avoided.targets_of("cnn"), ElementsAre("gpu-d:7070/cuda:0"));
}

TEST(AvoidedTargets, MakeRoomForOthersWhenNobodyIsToMoveForThatFaultAnyMore) {
  AvoidedTargets avoided;
  for (std::size_t i = 0; i < AvoidedTargets::kJobsMax; ++i) {
    avoided.add("job-" + std::to_string(i), i, "gpu-b:7070/cuda:0");
  }
  avoided.keep_only([](const std::string&, std::uint64_t incident) { return incident == 7; });
  EXPECT_EQ(avoided.jobs(), 1U);
  avoided.add("gpt", 9999, "gpu-b:7070/cuda:0");
  EXPECT_THAT(avoided.targets_of("gpt"), ElementsAre("gpu-b:7070/cuda:0"));
}

TEST(AvoidedTargets, GrowForAJobThatIsAmongTheMostThereMayBe) {
  AvoidedTargets avoided;
  for (std::size_t i = 0; i < AvoidedTargets::kJobsMax; ++i) {
    avoided.add("job-" + std::to_string(i), i, "gpu-b:7070/cuda:0");
  }
  avoided.add("job-3", 3, "gpu-c:7070/cuda:0");
  EXPECT_THAT(avoided.targets_of("job-3"), ElementsAre("gpu-b:7070/cuda:0", "gpu-c:7070/cuda:0"));
}

}  // namespace
}  // namespace cardswap::health
