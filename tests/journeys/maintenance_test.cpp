// A rolling maintenance: each host is emptied in its turn, and the jobs come back.

#include <gmock/gmock.h>

#include <fstream>

#include "tests/journeys/fleet_of_two.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Maintenance : public FleetOfTwo {};

TEST_F(Maintenance, DrainsToAndFroThreeTimes) {
  a_->run_trainer("one");
  a_->run_trainer("two");
  const auto empties = [&](GpuHost& from, GpuHost& to) {
    const auto drained = types({"drain", from.name(), "--to", to.name(), "--max-downtime", "none"});
    ASSERT_EQ(drained.exit_code, 0) << drained.out << drained.err << from.log();
    for (const auto* job : {"one", "two"}) {
      EXPECT_EQ(to.state_of(job), "running") << to.log();
      EXPECT_TRUE(to.steps_again_within(job, 10s)) << to.log();
      EXPECT_NE(from.state_of(job), "running");
    }
    EXPECT_EQ(types({"uncordon", from.name()}).exit_code, 0);
  };
  for (int round = 0; round < 3; ++round) {
    empties(*a_, *b_);
    if (HasFatalFailure()) return;
    empties(*b_, *a_);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Maintenance, LeavesTheCordonOfSomebodyElse) {
  ASSERT_EQ(types({"cordon", "gpu-a", "--reason", "disk failing, do not use"}).exit_code, 0);
  const auto done =
      ops_->run({"env", "CARDSWAP_TLS_DIR=" + operator_.string(),
                 std::string("CARDSWAP=") + CARDSWAP, std::string(SCRIPTS) + "/maintenance.sh",
                 "--drain-option=--to=gpu-b", "gpu-a", "--", "true"});
  EXPECT_EQ(done.exit_code, 10) << done.err;  // done, and closed by somebody else
  EXPECT_THAT(done.err, HasSubstr("done, but still cordoned"));
  EXPECT_THAT(types({"devices", "gpu-a"}).out, HasSubstr("disk failing"));
}

TEST_F(Maintenance, WaitsForAHostThatRebootsInIt) {
  a_->run_trainer("job");
  const auto script = std::string(SCRIPTS) + "/maintenance.sh";
  const auto reboot = (dir_.path() / "reboot").string();
  const auto gone = (dir_.path() / "gone").string();
  // It ends when the host has gone, and before that is back.
  const auto command = "touch " + reboot + "; while ! test -e " + gone + "; do sleep 0.05; done";
  auto running = ops_->start(
      {"env", "CARDSWAP_TLS_DIR=" + operator_.string(), std::string("CARDSWAP=") + CARDSWAP, script,
       "--drain-option=--to=gpu-b", "gpu-a", "--", "sh", "-c", command},
      (dir_.path() / "maintenance").string());
  ASSERT_TRUE(within(60s, [&] { return std::filesystem::exists(reboot); }))
      << read_file((dir_.path() / "maintenance").string());
  a_->machine().lose_power();
  std::ofstream(gone).put('\n');
  ASSERT_FALSE(within(1500ms, [&] { return running.ended(); }))
      << read_file((dir_.path() / "maintenance").string());
  a_->machine().boot();
  a_->start_agent();
  ASSERT_TRUE(within(60s, [&] { return running.ended(); }));
  EXPECT_EQ(running.wait(), 0) << read_file((dir_.path() / "maintenance").string());
  EXPECT_THAT(types({"devices", "gpu-a"}).out, Not(HasSubstr("cordoned")));
  EXPECT_EQ(b_->state_of("job"), "running");
}

TEST_F(Maintenance, StopsAJobOnlyWhereItIs) {
  a_->run_trainer("job");
  ASSERT_EQ(a_->command({"migrate", "job", "--to", "gpu-b/cpu:0"}).exit_code, 0) << a_->log();
  const auto stopped = a_->command({"stop", "job"});
  EXPECT_NE(stopped.exit_code, 0);
  EXPECT_THAT(stopped.err, HasSubstr("gpu-b"));
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << b_->log();
  EXPECT_EQ(b_->command({"stop", "job"}).exit_code, 0);
  EXPECT_EQ(b_->state_of("job"), "stopped");
}

}  // namespace
}  // namespace cardswap::test
