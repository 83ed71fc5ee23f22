#include "agent/snapshots/snapshot_metrics.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace cardswap::snapshots {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SnapshotMetrics : public ::testing::Test {
 protected:
  SnapshotMetrics() {
    config_.data_dir = dir_.path();
    JobSpec spec{.name = "gpt", .argv = {"/bin/true"}};
    spec.protection = Protection{};
    spec.protection->store = "file:/s";
    job_ = &jobs_.add(spec, "cpu:0").job();
    jobs_.note_protection(*job_, {.number = 1, .step = 7});
  }
  [[nodiscard]] std::string text() const {
    Exposition out;
    write_metrics(out, jobs_);
    return out.text();
  }

  const test::TempDir dir_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  Job* job_ = nullptr;
};

TEST_F(SnapshotMetrics, AreOfEachProtectedJobThatSteps) {
  EXPECT_THAT(text(), HasSubstr("cardswap_snapshots_taken_total{job=\"gpt\"}"));
  EXPECT_THAT(text(), HasSubstr("cardswap_snapshot_age_seconds{job=\"gpt\"}"));
  EXPECT_THAT(text(), HasSubstr("cardswap_recoveries_total{job=\"gpt\"} 0"));
}

/// Whoever waits for the age of its last snapshot to fall would wait for ever.
TEST_F(SnapshotMetrics, AreNoneOfACopyThatIsHaltedForGood) {
  JobList::note_halt(*job_, 2);
  EXPECT_THAT(text(), Not(HasSubstr("job=\"gpt\"")));
}

}  // namespace
}  // namespace cardswap::snapshots
