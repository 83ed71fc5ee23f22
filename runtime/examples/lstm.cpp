// An LSTM with RMSprop and clipped gradients, on sequences that it has to add up.

#include <cardswap/torch.h>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

struct NetImpl : nn::Module {
  explicit NetImpl(std::int64_t width)
      : lstm(register_module("lstm",
                             nn::LSTM(nn::LSTMOptions(4, width).num_layers(2).dropout(0.1)))),
        head(register_module("head", nn::Linear(width, 1))) {}
  torch::Tensor forward(const torch::Tensor& x) { return head(std::get<0>(lstm(x))[-1]); }
  nn::LSTM lstm;
  nn::Linear head;
};
TORCH_MODULE(Net);

int train(int argc, char** argv) {
  TrainerOptions options;
  std::int64_t width = 64;
  CLI::App app("Trains a small LSTM");
  options.add_to(app);
  app.add_option("--width", width, "Cells a layer");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  Net model(width);
  torch::optim::RMSprop optimizer(model->parameters(),
                                  torch::optim::RMSpropOptions(1e-3).momentum(0.5).centered(true));
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  while (step < options.steps) {
    log.begin(step);
    const auto x = torch::randn({20, 8, 4});
    const auto loss = torch::mse_loss(model(x), x.sum(at::IntArrayRef{0, 2}).unsqueeze(1));
    optimizer.zero_grad();
    loss.backward();
    nn::utils::clip_grad_norm_(model->parameters(), 1.0);
    log.write(step, loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
