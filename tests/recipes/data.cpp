// Recipes: data loaders, logs and checkpoints.

#include <cardswap/torch.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "tests/recipes/recipe.h"

namespace recipes {
namespace {

constexpr std::size_t kSamples = 100;

class Numbers : public torch::data::datasets::Dataset<Numbers> {
 public:
  torch::data::Example<> get(std::size_t index) override {
    const auto x = torch::arange(8) * (1.0 + static_cast<double>(index));
    return {x.sin(), x.cos()};
  }
  torch::optional<std::size_t> size() const override { return kSamples; }
};

// [recipe sampler]
/// The samples of an epoch in its own order, from one of them on.
class From : public torch::data::samplers::Sampler<> {
 public:
  From(std::uint64_t epoch, std::uint64_t first) : order_(kSamples), next_(first) {
    std::iota(order_.begin(), order_.end(), 0U);
    std::mt19937_64 engine(epoch);  // computed from the epoch: no generator is state
    std::shuffle(order_.begin(), order_.end(), engine);
  }
  void reset(std::optional<std::size_t> = std::nullopt) override {}  // the loader calls it first
  std::optional<std::vector<std::size_t>> next(std::size_t batch) override {
    const auto end = std::min(order_.size(), next_ + batch);
    if (next_ == end) return std::nullopt;
    const auto first = order_.begin() + static_cast<std::ptrdiff_t>(std::exchange(next_, end));
    return std::vector<std::size_t>(first, order_.begin() + static_cast<std::ptrdiff_t>(end));
  }
  void save(torch::serialize::OutputArchive&) const override {}  // not this is state
  void load(torch::serialize::InputArchive&) override {}

 private:
  std::vector<std::size_t> order_;
  std::size_t next_;
};
// [end]

}  // namespace

int loader(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe loader]
  std::uint64_t epoch = 0;
  std::uint64_t trained = 0;  // samples of this epoch; the workers have fetched more than these
  session.track("epoch", epoch);
  session.track("trained", trained);
  while (step < steps) {
    auto loader = torch::data::make_data_loader(
        Numbers().map(torch::data::transforms::Stack<>()), From(epoch, trained),
        torch::data::DataLoaderOptions(/*batch_size=*/8).workers(2));
    for (auto& batch : *loader) {
      const auto loss = torch::mse_loss(model(batch.data), batch.target);
      optimizer.zero_grad();
      loss.backward();
      run.log(loss.item<double>());
      trained += static_cast<std::uint64_t>(batch.data.size(0));  // before the boundary
      const bool was_standby = session.is_standby();
      if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
      ++step;
      if (was_standby || step >= steps) break;  // what was fetched ahead is of another place
    }
    if (trained == kSamples) {
      trained = 0;
      ++epoch;
    }
  }
  // [end]
  return run.finished();
}

int logging(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  const auto& log_path = run.loss_log();
  const auto checkpoint = log_path + ".model";
  // [recipe logging]
  std::ofstream log(log_path, std::ios::app);  // a standby opens it too, while the job writes it
  while (step < steps) {
    const auto x = torch::randn({16, 8});
    const auto loss = torch::mse_loss(model(x), x.sin());
    optimizer.zero_grad();
    loss.backward();
    if (!session.is_standby()) {  // its warm-up step is none of the job's
      log << "step " << step << " loss " << std::hexfloat << loss.item<double>() << std::endl;
    }
    run.pace();
    if (session.step(optimizer) == cardswap::StepResult::moved)
      return 0;  // nothing below is its own
    ++step;
    if (step % 50 == 0) {  // one process comes here, and what is saved is tracked
      torch::save(model, checkpoint + ".new");
      std::filesystem::rename(checkpoint + ".new", checkpoint);
    }
  }
  torch::save(model, checkpoint);  // and only the one that finishes comes here
  // [end]
  return run.finished();
}

}  // namespace recipes
