/// Method: a simulated hour of a small fleet, with drains, alert storms and restarting agents;
/// the simulation's own books hold every invariant. And each rule is left out once, to see that the
/// books notice.

#include <gtest/gtest.h>

#include "tests/bench/fleet/simulation.h"

namespace cardswap::bench {
namespace {

SimulationOptions small(const char* without) {
  SimulationOptions options;
  options.shape = {.hosts = 192, .devices = 8, .seed = 7};
  options.jobs_per_device = 2.2;  // crowded: places are rare
  options.finding_every = 2'000;
  options.storm_hosts = 24;
  options.storm_alerts = 200;
  options.drain_every = 60'000;
  options.restart_every = 10'000;
  options.without = without;
  return options;
}

TEST(FleetSimulation, HoldsEveryInvariant) {
  Simulation simulation(small(""));
  simulation.run();
  for (const auto& violation : simulation.fleet().violations()) ADD_FAILURE() << violation;
  const auto& counts = simulation.counts();
  // It was a test of something.
  EXPECT_GT(counts.health_moves, 100U);
  EXPECT_EQ(counts.health_moves_at_once, 2U);
  EXPECT_GT(counts.drains, 50U);
  EXPECT_GT(counts.drained_moved, 100U);
  EXPECT_GT(counts.moves_refused, 0U);
  EXPECT_GT(counts.restarts, 300U);
}

class WithoutARule : public ::testing::TestWithParam<const char*> {};

TEST_P(WithoutARule, IsNoticed) {
  auto options = small(GetParam());
  options.storm_hosts = options.shape.hosts;  // so that a drain finds no place
  Simulation simulation(options);
  simulation.run();
  EXPECT_GT(simulation.fleet().violation_count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(FleetSimulation, WithoutARule,
                         ::testing::Values("budget", "admission", "memory", "report"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace cardswap::bench
