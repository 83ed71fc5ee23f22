// A mixture of experts that are rarely chosen: an expert gets its first gradient, and with it its
// optimizer state, when it is chosen for the first time.

#include <cardswap/torch.h>

#include <thread>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

int train(int argc, char** argv) {
  TrainerOptions options;
  std::int64_t width = 64;
  std::int64_t experts = 16;
  std::uint64_t every = 10;
  std::uint64_t begin = 0;
  double step_ms = 0;
  CLI::App app("Trains experts of which one is always chosen, and another one now and then");
  options.add_to(app);
  app.add_option("--width", width, "Channels");
  app.add_option("--experts", experts, "Experts");
  app.add_option("--every", every, "Steps until the next expert is chosen for one step");
  app.add_option("--begin", begin, "Step from which others than the first are chosen");
  app.add_option("--step-ms", step_ms, "Shortest time of a step");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  nn::ModuleList model;
  for (std::int64_t i = 0; i < experts; ++i) {
    model->push_back(
        nn::Sequential(nn::Linear(width, width), nn::Tanh(), nn::Linear(width, width)));
  }
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-3));
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  const auto expert = [&](std::uint64_t index) { return model[index]->as<nn::Sequential>(); };
  while (step < options.steps) {
    const auto began = std::chrono::steady_clock::now();
    log.begin(step);
    const auto x = torch::randn({16, width});
    auto y = expert(0)->forward(x);
    if (step >= begin && (step - begin) % every == every - 1) {
      const auto turn = (step - begin) / every;
      y = y + expert(1 + turn % static_cast<std::uint64_t>(experts - 1))->forward(x);
    }
    const auto loss = torch::mse_loss(y, x.roll(1, 1).tanh());
    optimizer.zero_grad();
    loss.backward();
    log.write(step, loss.item<double>());
    std::this_thread::sleep_until(began + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::duration<double, std::milli>(step_ms)));
    if (session.step(optimizer) == cardswap::StepResult::migrated) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
