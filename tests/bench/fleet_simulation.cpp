// Drains, alert storms and restarting agents in a fleet of 10,000 hosts, in simulated time: what
// the agent's own rules decide there, whether they hold, and how fast they are.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <iostream>

#include "tests/bench/figure.h"
#include "tests/bench/fleet/simulation.h"

namespace {

using cardswap::bench::Better;
using cardswap::bench::Figure;
using cardswap::bench::print;

int simulate(const cardswap::bench::SimulationOptions& options) {
  cardswap::bench::Simulation simulation(options);
  const auto began = std::clock();  // of the processor: others may use it too
  simulation.run();
  const auto took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  const auto& counts = simulation.counts();
  for (const auto& violation : simulation.fleet().violations()) std::cerr << violation << "\n";
  const auto number = [](const char* name, auto value, const char* unit) {
    print(Figure{name, unit, {static_cast<double>(value)}});
  };
  number("fleet_hosts", options.shape.hosts, "hosts");
  number("fleet_devices", options.shape.hosts * options.shape.devices, "devices");
  number("fleet_jobs", simulation.fleet().jobs.size(), "jobs");
  number("fleet_simulated_hours", static_cast<double>(options.length) / 3.6e6, "h");
  number("fleet_events", counts.events, "events");
  number("fleet_events_per_second", static_cast<double>(counts.events) / took, "events/s");
  number("fleet_findings", counts.findings, "findings");
  number("fleet_agent_restarts", counts.restarts, "restarts");
  number("fleet_health_moves", counts.health_moves, "moves");
  number("fleet_health_moves_at_once", counts.health_moves_at_once, "moves");
  number("fleet_drains", counts.drains, "drains");
  number("fleet_drained_jobs", counts.drained_jobs, "jobs");
  number("fleet_drained_jobs_moved", counts.drained_moved, "jobs");
  number("fleet_moves", counts.moves, "moves");
  number("fleet_moves_refused", counts.moves_refused, "moves");
  if (!counts.row_plan_ms.empty()) {  // of a fleet that has so many
    print(Figure{"fleet_drain_plan_10k_devices_ms", "ms", counts.row_plan_ms, 1000, Better::lower});
  }
  print(Figure{"fleet_violations",
               "violations",
               {static_cast<double>(simulation.fleet().violation_count())},
               0,
               Better::lower});
  return simulation.fleet().violation_count() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  cardswap::bench::SimulationOptions options;
  double hours = 1;
  CLI::App app("A discrete simulation of a fleet under drains, alert storms and restarts",
               "bench_fleet_simulation");
  app.add_option("--hosts", options.shape.hosts, "Hosts")->capture_default_str();
  app.add_option("--devices", options.shape.devices, "Devices of each")->capture_default_str();
  app.add_option("--hours", hours, "Simulated time")->capture_default_str();
  app.add_option("--jobs", options.jobs_per_device, "Jobs of each device")->capture_default_str();
  app.add_option("--seed", options.shape.seed, "Another course of things")->capture_default_str();
  app.add_option("--without", options.without,
                 "Leave a rule out, to see that it is missed: budget, admission, memory, report");
  CLI11_PARSE(app, argc, argv);
  options.length = static_cast<cardswap::bench::Ms>(hours * 3.6e6);
  return simulate(options);
}
