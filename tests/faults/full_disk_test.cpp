/// Method: a migration is held while its trainer is frozen; then the disk of the source's agent
/// fills up to the last byte, and the agent is killed and started again.

#include <gtest/gtest.h>
#include <signal.h>

#include "tests/faults/two_host_scenario.h"
#include "tests/support/needs.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

TEST(FullDisk, IsNoReasonForAnAgentThatStartsToKeepATrainerFrozen) {
  if (const auto missing = SmallDisk::missing()) return skip_without("root", *missing);
  TwoHostScenario scenario({.source_disk = true});
  auto& a = *scenario.a;
  ASSERT_NO_FATAL_FAILURE(scenario.start_job(false));
  const auto id = text(a.ask({"migrate", "job", "--to", scenario.b->at("cpu:0"), "--max-downtime",
                              "none", "--hold-at", "verifying", "--detach"}),
                       "id");
  ASSERT_TRUE(within(20s, [&] { return a.ask({"status", id}).at("held").as_bool(); })) << a.log();
  scenario.a_disk->fill();
  a.kill_agent(SIGKILL);
  a.start_agent_on_a_full_disk();
  EXPECT_TRUE(scenario.steps_again_within(5s)) << a.log();
  EXPECT_FALSE(std::filesystem::exists(a.dir() / "agent.json")) << "it tells of a former agent";

  scenario.a_disk->empty();
  EXPECT_TRUE(within(25s, [&] { return state_of(a, id) == "aborted"; })) << a.log();
  scenario.expect_undisturbed_end(a);
}

}  // namespace
}  // namespace cardswap::test
