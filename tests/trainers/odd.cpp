// A LibTorch trainer that does one thing, chosen with --case, which an ordinary trainer does not:
// made by mistake, or a way to train that is as good as another.

#include <cardswap/torch.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "runtime/examples/trainer.h"

namespace nn = torch::nn;

namespace {

constexpr std::int64_t kWidth = 32;
constexpr std::uint64_t kChangedAt = 12;  // the step from which on it is done otherwise

struct NetImpl : nn::Module {
  NetImpl()
      : first(register_module("first", nn::Linear(kWidth, kWidth))),
        drop(register_module("drop", nn::Dropout(0.1))),
        norm(register_module("norm", nn::BatchNorm1d(kWidth))),
        second(register_module("second", nn::Linear(kWidth, kWidth))) {}
  torch::Tensor forward(const torch::Tensor& x) {
    return second(norm(drop(torch::relu(first(x)))));
  }
  nn::Linear first;
  nn::Dropout drop;
  nn::BatchNorm1d norm;
  nn::Linear second;
};
TORCH_MODULE(Net);

/// Has slow weights besides what AdamW keeps.
class SlowAdamW : public torch::optim::AdamW {
 public:
  using torch::optim::AdamW::AdamW;
};

int train(const TrainerOptions& options, const std::string& odd, double step_ms,
          const std::string& finish) {
  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  const auto is = [&](std::string_view name) { return odd == name; };
  Net model;
  auto temperature = torch::ones({1}, torch::requires_grad());
  auto trained = model->parameters();
  if (is("untracked parameter")) trained.push_back(temperature);
  torch::optim::AdamW optimizer(trained, torch::optim::AdamWOptions(1e-3));
  SlowAdamW derived(model->parameters());
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  nn::ParameterList extra;
  if (is("adds a group")) {
    extra->append(temperature);
    session.track("extra", extra);
  }
  if (is("derived optimizer")) session.track("optimizer", derived);
  if (!is("untracked optimizer")) session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  // So many that hardly any freeze comes at an end of them, where nothing is lost.
  constexpr std::uint64_t kMicroBatches = 15;
  const bool micro = is("micro batches") || is("micro batches dropped");
  auto steps = options.steps;
  while (step < steps) {
    const auto begin = std::chrono::steady_clock::now();
    // As a person would, at a prompt: the program itself does not know later.
    if (step == kChangedAt && !session.is_standby()) {
      if (is("evaluates a layer")) model->norm->eval();
      if (is("changes its dropout")) model->drop->options.p(0.3);
      if (is("freezes a layer")) {
        for (auto& parameter : model->first->parameters()) parameter.requires_grad_(false);
      }
      if (is("adds a group")) {
        optimizer.add_param_group(
            torch::optim::OptimizerParamGroup(std::vector<torch::Tensor>{temperature}));
      }
      if (is("other strides")) {
        const torch::NoGradGuard no_grad;
        auto& weight = model->second->weight;
        weight.set_data(weight.t().contiguous().t());
      }
    }
    const auto next_loss = [&] {
      const auto x = torch::randn({8, kWidth});
      return torch::mse_loss(model(x) * temperature, x.roll(1, 1).tanh());
    };
    const auto loss = next_loss();
    if (is("zeroes in place")) {
      optimizer.zero_grad(false);
    } else if (micro) {
      // At the start: a standby comes back in its warm-up's branch, behind which it may not stand.
      if (step % kMicroBatches == 0) optimizer.zero_grad(is("micro batches dropped"));
    } else if (!is("never zeroes")) {
      optimizer.zero_grad();
    }
    constexpr double kScale = 1024;
    (is("unscales") ? loss * kScale : loss).backward();
    // As many as the step's number says now and then: what was learned of the last step is wrong.
    const auto passes = is("accumulates") ? (step % 5 == 0 ? 2 : 3) : 1;
    for (int i = 1; i < passes; ++i) next_loss().backward();
    if (is("unscales")) {
      for (const auto& parameter : model->parameters()) parameter.grad().mul_(1 / kScale);
    }
    if (is("unscales") || is("clips by norm")) {
      nn::utils::clip_grad_norm_(model->parameters(), 0.05);
    }
    if (is("adds noise")) {
      for (const auto& parameter : model->parameters()) {
        parameter.grad().add_(1e-3 * torch::randn_like(parameter.grad()));
      }
    }
    log.write(step, loss.item<double>());
    if (!finish.empty() && std::filesystem::exists(finish)) steps = step + 1;
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::duration<double, std::milli>(step_ms)));
    auto verdict = cardswap::StepResult::proceed;
    if (micro && (step + 1) % kMicroBatches != 0) {
      verdict = session.step_boundary();
    } else {
      verdict = session.step(optimizer);
    }
    if (verdict == cardswap::StepResult::moved) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) {
  TrainerOptions options;
  std::string odd;
  std::string finish;
  double step_ms = 0;
  CLI::App app("Trains in a way of its own");
  options.add_to(app);
  app.add_option("--case", odd, "The way");
  app.add_option("--step-ms", step_ms, "Shortest time of a step");
  app.add_option("--finish", finish, "File that ends the run once it is there");
  CLI11_PARSE(app, argc, argv);
  try {
    return train(options, odd, step_ms, finish);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "odd: %s\n", error.what());
    return 1;
  }
}
