// Agents end and begin again while their jobs go on, or with everything that they had started.

#include <gmock/gmock.h>
#include <signal.h>

#include <boost/json.hpp>

#include "tests/journeys/fleet_of_two.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Reboot : public FleetOfTwo {};

TEST_F(Reboot, OfAHostLosesItsJobsAndSaysSo) {
  a_->run_trainer("never");
  a_->run_trainer("again", {}, {"--restart", "on-failure"});
  a_->machine().lose_power();
  a_->machine().boot();
  a_->start_agent();
  const auto lost = a_->job("never");
  EXPECT_EQ(text(lost, "state"), "lost") << a_->log();
  EXPECT_THAT(boost::json::serialize(lost), HasSubstr("restarted"));
  EXPECT_TRUE(within(20s, [&] { return a_->state_of("again") == "running"; })) << a_->log();
  EXPECT_TRUE(a_->steps_again_within("again", 10s)) << a_->log();
  const auto events = boost::json::serialize(a_->ask({"events"}));
  EXPECT_THAT(events, HasSubstr("job_lost"));
  EXPECT_THAT(events, HasSubstr("never"));
}

TEST_F(Reboot, OfAnAgentKeepsTheStatusOfAJobThatEndsMeanwhile) {
  const auto go = (dir_.path() / "go").string();
  const auto waits = "while ! test -e " + go + "; do sleep 0.05; done; exit 3";
  (void)a_->ask({"run", "--name", "fails", "--", "sh", "-c", waits});
  (void)a_->ask({"run", "--name", "again", "--restart", "on-failure", "--", "sh", "-c", waits});
  a_->stop_agent(SIGTERM);
  (void)run({"touch", go});
  ASSERT_TRUE(within(10s, [&] {
    return a_->machine().run({"pgrep", "-f", "sleep 0.05"}).exit_code != 0 &&
           a_->machine().run({"pgrep", "-f", "test -e " + go}).exit_code != 0;
  }));
  std::filesystem::remove(go);
  a_->start_agent();
  ASSERT_TRUE(within(10s, [&] { return a_->state_of("fails") == "failed"; })) << a_->log();
  EXPECT_EQ(number(a_->job("fails"), "exit_code"), 3);
  EXPECT_TRUE(within(10s, [&] {
    const auto again = a_->job("again");
    return number(again, "restarts") == 1 && text(again, "state") == "starting";
  })) << a_->log();
}

TEST_F(Reboot, OfAnAgentInAMigrationGivesItUpOrBringsItToItsEnd) {
  a_->run_trainer("job");
  const auto id = text(
      a_->ask({"migrate", "job", "--to", "gpu-b/cpu:0", "--hold-at", "syncing", "--detach"}), "id");
  ASSERT_TRUE(within(20s, [&] { return text(a_->ask({"status", id}), "state") == "syncing"; }));
  a_->stop_agent(SIGTERM);
  a_->start_agent();
  EXPECT_TRUE(within(20s, [&] {
    return text(a_->ask({"status", id}), "state") == "aborted";
  })) << a_->log();
  EXPECT_TRUE(a_->steps_again_within("job", 5s)) << a_->log();
  // And the next one is not refused because of it.
  EXPECT_EQ(a_->command({"migrate", "job", "--to", "gpu-b/cpu:0"}).exit_code, 0) << a_->log();
  EXPECT_TRUE(b_->steps_again_within("job", 5s)) << b_->log();
}

}  // namespace
}  // namespace cardswap::test
