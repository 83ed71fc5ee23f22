// Low-rank adapters on a frozen base: over 95 % of the parameters never change, so only the
// adapters and their optimizer state have to move in the freeze.

#include <cardswap/torch.h>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

struct AdaptedImpl : nn::Module {
  AdaptedImpl(std::int64_t width, std::int64_t rank)
      : base(register_module("base", nn::Linear(width, width))),
        down(register_parameter("down", torch::randn({rank, width}) * 0.02)),
        up(register_parameter("up", torch::zeros({width, rank}))) {
    for (auto& parameter : base->parameters()) parameter.requires_grad_(false);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return base(x) + torch::linear(torch::linear(x, down), up);
  }
  nn::Linear base;
  torch::Tensor down, up;
};
TORCH_MODULE(Adapted);

int train(int argc, char** argv) {
  TrainerOptions options;
  std::int64_t width = 512;
  std::int64_t layers = 4;
  CLI::App app("Trains low-rank adapters on a frozen network");
  options.add_to(app);
  app.add_option("--width", width, "Channels");
  app.add_option("--layers", layers, "Layers");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  nn::Sequential model;
  for (std::int64_t i = 0; i < layers; ++i) {
    model->push_back(Adapted(width, 2));
    model->push_back(nn::Tanh());
  }
  std::vector<torch::Tensor> trained;
  for (const auto& parameter : model->parameters()) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  torch::optim::AdamW optimizer(trained, torch::optim::AdamWOptions(1e-3));
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  while (step < options.steps) {
    log.begin(step);
    const auto x = torch::randn({16, width});
    const auto loss = torch::mse_loss(model->forward(x), x.roll(1, 1).tanh());
    optimizer.zero_grad();
    loss.backward();
    log.write(step, loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
