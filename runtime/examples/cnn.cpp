// A CNN with batch norm and dropout, SGD with momentum and a learning rate that falls in steps.

#include <cardswap/torch.h>

#include <cmath>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

int train(int argc, char** argv) {
  TrainerOptions options;
  std::int64_t batch = 16;
  std::int64_t width = 16;
  CLI::App app("Trains a small CNN on synthetic images");
  options.add_to(app);
  app.add_option("--batch", batch, "Images a step");
  app.add_option("--width", width, "Channels of the first layer");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  nn::Sequential model(nn::Conv2d(nn::Conv2dOptions(3, width, 3).padding(1)),
                       nn::BatchNorm2d(width), nn::ReLU(), nn::MaxPool2d(2),
                       nn::Conv2d(nn::Conv2dOptions(width, 2 * width, 3).padding(1)),
                       nn::BatchNorm2d(2 * width), nn::ReLU(), nn::AdaptiveAvgPool2d(4),
                       nn::Flatten(), nn::Dropout(0.3), nn::Linear(2 * width * 16, 10));
  torch::optim::SGD optimizer(model->parameters(),
                              torch::optim::SGDOptions(0.05).momentum(0.9).nesterov(true));
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  while (step < options.steps) {
    log.begin(step);
    const double rate = 0.05 * std::pow(0.5, static_cast<double>(step / 10));
    for (auto& group : optimizer.param_groups()) group.options().set_lr(rate);
    const auto labels = torch::randint(10, {batch});
    const auto images = torch::randn({batch, 3, 16, 16}) + labels.view({-1, 1, 1, 1}) / 10.0;
    const auto loss = torch::nn::functional::cross_entropy(model->forward(images), labels);
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
