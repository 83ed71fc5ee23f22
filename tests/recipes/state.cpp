// Recipes: what is state besides modules and optimizers.

#include <ATen/CPUGeneratorImpl.h>
#include <cardswap/torch.h>

#include <cmath>
#include <random>

#include "tests/recipes/recipe.h"

namespace recipes {

int loose_tensors(Run& run) {
  torch::nn::Linear model(16, 8);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe loose tensors]
  torch::Tensor hidden = torch::zeros({4, 8});
  std::vector<torch::Tensor> recent;
  session.track("hidden", hidden);  // the variable: it may hold another tensor after each step
  session.track("recent", recent);
  while (step < steps) {
    const auto next = torch::tanh(model(torch::cat({torch::randn({4, 8}), hidden}, 1)));
    const auto loss = (next - 0.5).square().mean() * (1.0 + static_cast<double>(recent.size()));
    optimizer.zero_grad();
    loss.backward();
    hidden = next.detach();  // no part of a graph when the boundary comes
    recent.push_back(loss.detach());
    if (recent.size() == 5) recent.erase(recent.begin(), recent.begin() + 3);
    run.log((loss + torch::stack(recent).mean()).item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
    ++step;
  }
  // [end]
  return run.finished();
}

int generators(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::optim::Adam optimizer(model->parameters(), torch::optim::AdamOptions(1e-2));
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("step", step);
  // [recipe generators]
  track_rng(session);  // LibTorch's default ones: randn(), dropout
  auto noise = at::make_generator<at::CPUGeneratorImpl>(7);
  session.track("noise", noise);  // one of your own
  std::mt19937_64 engine(11);
  std::normal_distribution<double> jitter;  // keeps every second value for later: state too
  session.track("engine", engine);
  session.track("jitter", jitter);
  while (step < steps) {
    const auto x = torch::randn({16, 8}) + 0.1 * torch::randn({16, 8}, noise);
    const auto loss = torch::mse_loss(model(x), x.sin() + jitter(engine));
    // [end]
    optimizer.zero_grad();
    loss.backward();
    run.log(loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
    ++step;
  }
  return run.finished();
}

// [recipe own schedule]
class InverseRoot : public torch::optim::LRScheduler {  // 1, 0.71, 0.58, ... of what it began with
 public:
  explicit InverseRoot(torch::optim::Optimizer& optimizer)
      : LRScheduler(optimizer), first_(get_current_lrs()) {}

 private:
  std::vector<double> get_lrs() override {
    auto rates = first_;
    for (auto& rate : rates) rate /= std::sqrt(1.0 + step_count_);
    return rates;
  }
  const std::vector<double> first_;
};
// [end]

int schedules(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::nn::Linear head(8, 1);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05));
  torch::optim::SGD other_optimizer(head->parameters(), torch::optim::SGDOptions(0.05));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  session.track("head", head);
  session.track("other_optimizer", other_optimizer);
  // [recipe schedules]
  torch::optim::StepLR schedule(optimizer, /*step_size=*/29, /*gamma=*/0.97);
  torch::optim::ReduceLROnPlateauScheduler plateau(optimizer, {}, /*factor=*/0.99F);
  InverseRoot root(other_optimizer);
  session.track("schedule", schedule);  // the rates themselves are the optimizer's
  session.track("plateau", plateau);
  session.track_state("root", cardswap::tracked_step_count(root));  // it has no other state
  while (step < steps) {
    const auto x = torch::randn({16, 8});
    const auto loss = torch::mse_loss(head(torch::tanh(model(x))), x.narrow(1, 0, 1));
    optimizer.zero_grad();
    other_optimizer.zero_grad();
    loss.backward();
    run.log(loss.item<double>());
    plateau.step(loss.item<float>());  // before the boundary: `loss` is of this process
    if (session.step(optimizer, other_optimizer) == cardswap::StepResult::moved) return 0;
    schedule.step();  // after it, as it needs nothing but tracked state
    root.step();
    ++step;
  }
  // [end]
  return run.finished();
}

// [recipe own type]
struct Curriculum {  // longer samples, once the losses allow it
  std::int64_t length = 4;
  double best = 1e9;

  std::vector<std::byte> save() const {  // equal states must give equal bytes
    std::vector<std::byte> bytes(sizeof(length) + sizeof(best));
    std::memcpy(bytes.data(), &length, sizeof(length));
    std::memcpy(bytes.data() + sizeof(length), &best, sizeof(best));
    return bytes;
  }
  void load(std::span<const std::byte> bytes) {  // throws on what save() did not give
    if (bytes.size() != sizeof(length) + sizeof(best)) throw std::invalid_argument("curriculum");
    std::memcpy(&length, bytes.data(), sizeof(length));
    std::memcpy(&best, bytes.data() + sizeof(length), sizeof(best));
  }
};
// [end]

int own_type(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.02));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe tracked own type]
  Curriculum curriculum;
  session.track("curriculum", curriculum);
  std::map<std::string, double> seen;  // containers of numbers, texts and engines are known
  session.track("seen", seen);
  double scale = 1;  // a value that a library keeps: by two functions
  session.track(
      "scale", [&] { return std::vector<std::byte>(8, std::byte(std::lround(scale))); },
      [&](std::span<const std::byte> bytes) { scale = std::to_integer<int>(bytes[0]); });
  // [end]
  while (step < steps) {
    const auto x = torch::randn({curriculum.length, 8});
    const auto loss = torch::mse_loss(model(x), x.sin()) * scale;
    optimizer.zero_grad();
    loss.backward();
    const auto value = loss.item<double>();
    run.log(value + seen["sum"]);
    seen["sum"] = 0.5 * seen["sum"] + value;
    if (value < curriculum.best) {
      curriculum.best = value;
      curriculum.length = 4 + (curriculum.length + 1) % 16;
    }
    scale = 1 + (step / 10) % 3;
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
    ++step;
  }
  return run.finished();
}

}  // namespace recipes
