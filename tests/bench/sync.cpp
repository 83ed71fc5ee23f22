// What a migration costs the training loop.
//
// One attached trainer with one computing thread; blocks of its steps before a migration and while
// its state goes over at a capped rate, in turns. The standby shares the machine, so its half of
// the work is in the figure too.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "tests/bench/agent_side.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::AgentSide;
using bench::Figure;
using bench::Process;
using channel::Role;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string trainer;
  std::string text;
  std::size_t block = 40;
  std::size_t pairs = 15;
  std::uint64_t bandwidth = 50'000'000;
};

/// Milliseconds of `count` whole steps from now on. A trainer prints a line a step.
std::vector<double> step_times_ms(Process& trainer, std::size_t count) {
  trainer.skip_pending();
  const auto next = [&] {
    if (!trainer.line(60s)) throw std::runtime_error("the trainer ended");
    return Clock::now();
  };
  (void)next();  // a step that began before we looked
  auto before = next();
  std::vector<double> times;
  while (times.size() < count) {
    const auto now = next();
    times.push_back(std::chrono::duration<double, std::milli>(now - before).count());
    before = now;
  }
  return times;
}

std::vector<std::string> command(const Options& options) {
  return {options.trainer, "--steps", "1000000000", "--threads", "1", "--text", options.text};
}

std::vector<std::string> with_one_thread(std::vector<std::string> environment) {
  environment.emplace_back("OMP_NUM_THREADS=1");
  return environment;
}

void measure_sync(const Options& options) {
  AgentSide agent;
  Process source(command(options), with_one_thread(agent.environment(Role::primary)));
  const auto tracked = agent.wait_for<channel::Tracked>(120s);
  (void)step_times_ms(source, options.block);
  Figure slowdown{"sync_slowdown_pct", "%", {}, 10.0, bench::Better::lower};
  Figure before_ms{"sync_step_before_ms", "ms", {}};
  for (std::size_t i = 0; i < options.pairs; ++i) {
    const double before = bench::median(step_times_ms(source, options.block));
    agent.forget();
    double during = 0;
    {
      Process standby(command(options), with_one_thread(agent.environment(Role::standby)));
      const auto parked = agent.wait_for<channel::Parked>(120s);
      channel::BeginSync begin;
      begin.migration = "bench";
      begin.host = parked.host;
      begin.port = parked.port;
      begin.token = "token";
      begin.spec.strategy = Strategy::rounds;
      begin.spec.bandwidth = options.bandwidth;
      begin.transports = "tcp";
      agent.say(Role::primary, begin);
      (void)agent.wait_for<channel::SyncProgress>(60s);
      during = bench::median(step_times_ms(source, options.block));
      agent.forget();
      (void)agent.wait_for<channel::SyncProgress>(60s);  // it was still going on
    }
    agent.say(Role::primary, channel::Release{"bench"});
    (void)agent.wait_for<channel::Released>(60s);
    slowdown.samples.push_back(100 * (during / before - 1));
    before_ms.samples.push_back(before);
  }
  print(slowdown);
  print(before_ms);
  print(Figure{"sync_state", "MiB", {static_cast<double>(tracked.state_bytes) / (1 << 20)}});
}

void measure(int argc, char** argv) {
  Options options;
  CLI::App app("Measures what a migration costs a training loop");
  app.add_option("--trainer", options.trainer, "An example trainer: .../gpt")->required();
  app.add_option("--text", options.text, "What it learns")->required();
  app.add_option("--block", options.block, "Steps a block")->check(CLI::Range(1, 10000));
  app.add_option("--pairs", options.pairs, "Pairs of blocks")->check(CLI::Range(1, 1000));
  app.add_option("--bandwidth", options.bandwidth, "sync: bytes a second at most");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (app.exit(problem, std::cerr, std::cerr) == 0) return;
    throw std::runtime_error("wrong usage");
  }
  measure_sync(options);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("sync", measure, argc, argv); }
