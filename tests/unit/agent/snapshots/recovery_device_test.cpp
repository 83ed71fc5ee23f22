#include "agent/snapshots/recovery_device.h"

#include <gmock/gmock.h>

namespace cardswap::snapshots {
namespace {

using ::testing::HasSubstr;

PlacementJob job() {
  PlacementJob wanted;
  wanted.name = "gpt";
  wanted.host = "gpu-a";
  wanted.device = "cuda:0";
  wanted.kind = "cuda";
  wanted.state_bytes = 10;
  return wanted;
}
std::vector<PlacementDevice> devices() {
  return {{"gpu-a", "cuda:0", "cuda", 20, 20, 0, false, false},
          {"gpu-a", "cuda:1", "cuda", 20, 20, 1, false, false},
          {"gpu-a", "cuda:2", "cuda", 20, 20, 0, false, false},
          {"gpu-a", "cpu:0", "cpu", 20, 20, 0, false, false}};
}

TEST(RecoveryDevice, IsTheJobsOwnWhileThatIsHealthy) {
  EXPECT_EQ(choose_recovery_device(job(), devices()).device, "cuda:0");
  auto closed = devices();
  closed[0].cordoned = true;
  EXPECT_EQ(choose_recovery_device(job(), closed).device, "cuda:0") << "it is no new job";
}

TEST(RecoveryDevice, IsTheLeastUsedOtherOneOfItsKindWhereItsOwnIsSick) {
  auto sick = devices();
  sick[0].unhealthy = true;
  EXPECT_EQ(choose_recovery_device(job(), sick).device, "cuda:2");
  sick[2].cordoned = true;
  EXPECT_EQ(choose_recovery_device(job(), sick).device, "cuda:1");
  sick[1].free_bytes = 9;
  const auto none = choose_recovery_device(job(), sick);
  EXPECT_EQ(none.device, "");
  EXPECT_THAT(none.why_none, HasSubstr("no device of this host fits: "));
}

TEST(RecoveryDevice, IsNoneOfAHostWithoutAnother) {
  auto sick = devices();
  sick.resize(1);
  sick[0].unhealthy = true;
  EXPECT_THAT(choose_recovery_device(job(), sick).why_none, HasSubstr("no other device"));
}

}  // namespace
}  // namespace cardswap::snapshots
