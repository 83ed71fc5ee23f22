// A LibTorch trainer that tracks all that its steps read but for one thing, chosen with --forget.

#include <cardswap/torch.h>
#include <cardswap/torch_values.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/examples/trainer.h"

namespace nn = torch::nn;

namespace {

constexpr std::int64_t kWidth = 16;
constexpr std::int64_t kBatch = 8;
// A prime, and many: a position that was forgotten is not by chance the one that a run begins at.
constexpr std::size_t kSamples = 8191;
constexpr std::uint64_t kDropsMoreAt = 8;

struct NetImpl : nn::Module {
  NetImpl()
      : cell(register_module("cell", nn::GRUCell(kWidth, kWidth))),
        first(register_module("first", nn::Linear(nn::LinearOptions(kWidth, kWidth).bias(false)))),
        second(
            register_module("second", nn::Linear(nn::LinearOptions(kWidth, kWidth).bias(false)))) {}
  nn::GRUCell cell;
  nn::Linear first;
  nn::Linear second;
};
TORCH_MODULE(Net);

struct Options : TrainerOptions {
  std::string forget = "nothing";
  std::string finish;
  double step_ms = 0;
  bool stream = false;
  double hangs_ms = 0;
  double rounds = 0;

  [[nodiscard]] bool forgets(std::string_view what) const { return forget == what; }
};

/// Two groups of one weight each, which could as well be the other way round. One who makes them
/// from an unordered set has them in another order in another process.
std::vector<torch::optim::OptimizerParamGroup> groups(const Net& model, bool turned) {
  std::vector<torch::optim::OptimizerParamGroup> all;
  for (const auto& layer : {model->first, model->second}) {
    all.emplace_back(std::vector<torch::Tensor>{layer->weight});
  }
  if (turned) std::swap(all[0], all[1]);
  all.emplace_back(model->cell->parameters());
  return all;
}

bool variable_is(const char* name, std::string_view value) {
  const char* is = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets any
  return is != nullptr && is == value;
}

int train(const Options& options) {
  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  Net model;
  const bool turned = options.forgets("order") && variable_is("CARDSWAP_ROLE", "standby");
  torch::optim::AdamW optimizer(groups(model, turned), torch::optim::AdamWOptions(1e-3));
  const auto data = torch::randn({static_cast<std::int64_t>(kSamples), kWidth});
  auto hidden = torch::zeros({kBatch, kWidth});
  std::vector<std::int64_t> order(kSamples);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::uint64_t position = 0;
  std::mt19937_64 noise(options.seed);  // a generator besides LibTorch's
  std::uint64_t warmed = 0;             // a scheduler of the program's own
  double average = 1;
  double dropout = 0.1;
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  if (!options.forgets("hidden")) session.track("hidden", hidden);
  if (!options.forgets("position")) session.track("position", position);
  if (!options.forgets("generator")) session.track("noise", noise);
  if (!options.forgets("scheduler")) session.track("warmed", warmed);
  if (!options.forgets("average")) session.track("average", average);
  if (!options.forgets("dropout")) session.track("dropout", dropout);
  if (options.stream) session.do_not_rehearse("it reads from a queue");
  LossLog log(options, session);
  auto steps = options.steps;
  while (step < steps) {
    const auto begin = std::chrono::steady_clock::now();
    log.begin(step);
    if (step == kDropsMoreAt) dropout = 0.4;
    for (auto& group : optimizer.param_groups()) {
      static_cast<torch::optim::AdamWOptions&>(group.options())
          .lr(1e-3 / (1 + 0.01 * double(warmed)));
    }
    ++warmed;
    std::vector<std::int64_t> batch;
    for (std::int64_t i = 0; i < kBatch; ++i) batch.push_back(order[position++ % kSamples]);
    const auto shift = std::normal_distribution<float>()(noise);
    const auto x = data.index_select(0, torch::tensor(batch)) + 0.1F * shift;
    hidden = model->cell(x, hidden);
    const auto kept = torch::dropout(hidden, dropout, true);
    auto loss = torch::mse_loss(model->second(torch::relu(model->first(kept))), x.roll(1, 1));
    // Another loss weighs as much as the latest ones were large.
    loss = loss / average;
    if (options.forgets("environment") && variable_is("CARDSWAP_DEVICE", "cpu:1"))
      loss = loss * 1.5;
    optimizer.zero_grad();
    loss.backward();
    if (options.rounds != 0 && session.is_standby()) {  // as another device might
      for (auto& parameter : model->parameters()) parameter.mutable_grad().mul_(1 + options.rounds);
    }
    average = 0.9 * average + 0.1 * (loss.item<double>() * average);
    log.write(step, loss.item<double>());
    if (!options.finish.empty() && std::filesystem::exists(options.finish)) steps = step + 1;
    hidden = hidden.detach();
    auto takes_ms = options.step_ms;
    if (session.is_standby() && step != 0) takes_ms += options.hangs_ms;
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::duration<double, std::milli>(takes_ms)));
    if (session.step(optimizer) == cardswap::StepResult::moved) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains, and forgets one thing");
  options.add_to(app);
  app.add_option("--forget", options.forget,
                 "hidden, position, generator, scheduler, average, dropout, order or environment");
  app.add_option("--step-ms", options.step_ms, "Shortest time of a step");
  app.add_option("--finish", options.finish, "File that ends the run once it is there");
  app.add_flag("--stream", options.stream, "Say that no step can be taken twice");
  app.add_option("--hangs-ms", options.hangs_ms, "That a standby's later steps take longer");
  app.add_option("--rounds", options.rounds, "That a standby's gradients are larger by this share");
  CLI11_PARSE(app, argc, argv);
  try {
    return train(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forgetful: %s\n", error.what());
    return 1;
  }
}
