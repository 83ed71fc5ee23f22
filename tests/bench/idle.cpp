// What Cardswap costs a training loop that nobody moves: steps that go through the session's step()
// and steps that are the optimizer's alone, in turns in one process that is attached to an agent's
// socket, so that both see the same memory, caches and clock rates.
//
// A step's cost is processor time of the thread that trains: who else runs does not count. What the
// runtime's own threads take in all this time is added to it. Without arguments of its own the
// program is both sides: it starts itself again as the trainer.

#include <cardswap/torch.h>
#include <fmt/format.h>
#include <time.h>

#include <array>
#include <chrono>
#include <CLI/CLI.hpp>
#include <iostream>

#include "migrator/base/environment.h"
#include "tests/bench/agent_side.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::Figure;

struct Options {
  std::size_t blocks = 101;
  std::size_t pairs = 100;  // of steps, a block
  std::int64_t width = 256;
  std::int64_t layers = 8;
  bool null_test = false;
};

double cpu_ms(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
double wall_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Cost {
  double cpu_ms = 0;
  double wall_ms = 0;
};

class Trainer {
 public:
  explicit Trainer(const Options& options) : options_(options) {
    for (std::int64_t i = 0; i < options.layers; ++i) {
      model_->push_back(torch::nn::Linear(options.width, options.width));
      model_->push_back(torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})));
      model_->push_back(torch::nn::ReLU());
    }
    optimizer_.emplace(model_->parameters(), torch::optim::AdamWOptions(1e-4));
    session_.track("model", model_);
    session_.track("optimizer", *optimizer_);
    session_.track("step", step_);
    track_rng(session_);
  }

  Cost step(bool with) {
    const Cost before{cpu_ms(CLOCK_THREAD_CPUTIME_ID), wall_ms()};
    const auto x = torch::randn({64, options_.width});
    const auto loss = (model_->forward(x) - x).pow(2).mean();
    optimizer_->zero_grad();
    loss.backward();
    if (with) {
      if (session_.step(*optimizer_) == StepResult::moved) throw std::runtime_error("moved");
    } else {
      optimizer_->step();
    }
    ++step_;
    return {cpu_ms(CLOCK_THREAD_CPUTIME_ID) - before.cpu_ms, wall_ms() - before.wall_ms};
  }

 private:
  Options options_;
  torch::nn::Sequential model_;
  std::optional<torch::optim::AdamW> optimizer_;
  std::uint64_t step_ = 0;
  Session session_ = Session::open();
};

/// Of `pairs` pairs of neighbouring steps, which see the same machine; which of a pair is first
/// changes.
struct Block {
  double cpu_pct = 0;  ///< medians of what a pair's step with the session takes longer
  double wall_pct = 0;
  double step_ms = 0;
};
Block block(Trainer& trainer, const Options& options) {
  std::vector<double> cpu;
  std::vector<double> wall;
  std::vector<double> step;
  for (std::size_t i = 0; i < options.pairs; ++i) {
    std::array<Cost, 2> cost;
    for (std::size_t turn = 0; turn < 2; ++turn) {
      const auto kind = (i + turn) % 2;
      cost.at(kind) = trainer.step(kind == 1 && !options.null_test);
    }
    cpu.push_back(100 * (cost[1].cpu_ms / cost[0].cpu_ms - 1));
    wall.push_back(100 * (cost[1].wall_ms / cost[0].wall_ms - 1));
    step.push_back(cost[0].wall_ms);
  }
  return {bench::median(cpu), bench::median(wall), bench::median(step)};
}

void train(const Options& options) {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  Trainer trainer(options);
  (void)block(trainer, options);
  Figure overhead{"idle_overhead_pct", "%", {}, 0.5, bench::Better::lower};
  Figure on_the_wall{"idle_wall_overhead_pct", "%", {}};
  Figure step{"idle_step_ms", "ms", {}};
  for (std::size_t i = 0; i < options.blocks; ++i) {
    const double others_before = cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    const double mine_before = cpu_ms(CLOCK_THREAD_CPUTIME_ID);
    const auto seen = block(trainer, options);
    const double mine = cpu_ms(CLOCK_THREAD_CPUTIME_ID) - mine_before;
    const double others =
        cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms(CLOCK_THREAD_CPUTIME_ID) - others_before;
    overhead.samples.push_back(seen.cpu_pct + 100 * others / mine);
    on_the_wall.samples.push_back(seen.wall_pct);
    step.samples.push_back(seen.step_ms);
  }
  print(overhead);
  print(on_the_wall);
  print(step);
}

void measure(int argc, char** argv) {
  Options options;
  CLI::App app("Measures what Cardswap costs a training loop that nobody moves");
  app.add_option("--blocks", options.blocks, "Samples")->check(CLI::Range(1, 100'000));
  app.add_option("--pairs", options.pairs, "Pairs of steps a sample")->check(CLI::Range(1, 10'000));
  app.add_option("--width", options.width, "Channels")->check(CLI::Range(1, 8192));
  app.add_option("--layers", options.layers, "Layers")->check(CLI::Range(1, 256));
  app.add_flag("--null-test", options.null_test,
               "Both kinds without the session, to see what the method shows of equal steps");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (app.exit(problem, std::cerr, std::cerr) == 0) return;
    throw std::runtime_error("wrong usage");
  }
  if (std::getenv(environment::kSocket) != nullptr) return train(options);  // NOLINT
  bench::AgentSide agent;
  auto environment = agent.environment(channel::Role::primary);
  environment.emplace_back("OMP_NUM_THREADS=1");
  bench::Process trainer({argv, argv + argc}, environment);
  for (const auto& line : trainer.lines(600s)) std::cout << line << std::endl;
}

}  // namespace

int main(int argc, char** argv) { return bench::run("idle", measure, argc, argv); }
