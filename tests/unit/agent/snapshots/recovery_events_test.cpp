#include "agent/snapshots/recovery_events.h"

#include <gmock/gmock.h>

namespace cardswap::snapshots {
namespace {

using ::testing::HasSubstr;

class RecoveryErrors : public ::testing::Test {
 protected:
  RecoveryErrors() {
    job_.spec.name = "gpt";
    job_.spec.protection = Protection{};
    job_.spec.protection->store = "file:/nfs/store";
    job_.instances.emplace_back(job_);
  }

  Job job_;
  Config config_;
};

TEST_F(RecoveryErrors, OfAHostWithoutADeviceNameTheWayToAnother) {
  config_.peers = {"gpu-b:7070"};
  const auto error = no_usable_device(job_, "no device of this host fits: cordoned", config_);
  EXPECT_EQ(error.failure(), "no device of this host fits: cordoned");
  EXPECT_THAT(error.hint(), HasSubstr("`cardswap --agent gpu-b:7070 restore gpt@latest --store "
                                      "file:/nfs/store`"));
  config_.peers.clear();
  EXPECT_THAT(no_usable_device(job_, "none", config_).hint(), HasSubstr("--agent HOST:PORT "));
}

TEST_F(RecoveryErrors, OfSnapshotsThatCannotBeUsedSayWhatIsWrongWithThem) {
  SnapshotChoice choice;
  EXPECT_EQ(no_usable_snapshot(job_, choice).failure(),
            "there is no snapshot of it in file:/nfs/store");
  choice.passed_over = {"file:/nfs/store: snapshot 3 is damaged", "file:/b: it is away"};
  const auto error = no_usable_snapshot(job_, choice);
  EXPECT_EQ(error.failure(),
            "none of its snapshots can be used: file:/nfs/store: snapshot 3 is damaged; file:/b: "
            "it is away");
  EXPECT_THAT(error.hint(), HasSubstr("`cardswap history gpt --store file:/nfs/store`"));
}

}  // namespace
}  // namespace cardswap::snapshots
