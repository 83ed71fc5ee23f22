// Recipes: what a step is, where it is not forward, backward and one optimizer.

#include <cardswap/torch.h>

#include "runtime/examples/master_weights.h"
#include "tests/recipes/recipe.h"

namespace recipes {

int accumulation(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-2));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe accumulation]
  while (step < steps) {
    optimizer.zero_grad();
    double sum = 0;
    for (int part = 0; part < 4; ++part) {
      const auto x = torch::randn({8, 8});
      const auto loss = torch::mse_loss(model(x), x.sin()) / 4;
      loss.backward();
      sum += loss.item<double>();
    }
    run.log(sum);
    if (session.step(optimizer) == cardswap::StepResult::moved)
      return 0;  // one boundary for all four
    ++step;
  }
  // [end]
  return run.finished();
}

int average(Run& run) {
  torch::nn::Linear model(8, 8);
  torch::nn::Linear average(8, 8);
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-2));
  run.track_basics(model, optimizer);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe average]
  session.track("average", average);
  session.after_step("averaging",
                     [&] {  // from tracked state alone
                       const torch::NoGradGuard no_grad;
                       auto into = average->parameters();
                       const auto from = model->parameters();
                       for (std::size_t i = 0; i < into.size(); ++i)
                         into[i].mul_(0.99).add_(from[i], 0.01);
                     },
                     {"average"});  // what it rewrites, and nothing else does
  while (step < steps) {
    const auto x = torch::randn({16, 8});
    const auto teacher = average(x).detach();
    const auto loss = torch::mse_loss(model(x), x.sin()) + 0.1 * torch::mse_loss(model(x), teacher);
    optimizer.zero_grad();
    loss.backward();
    run.log(loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;  // calls the hook
    ++step;
  }
  // [end]
  return run.finished();
}

int two_optimizers(Run& run) {
  torch::nn::Linear generator(4, 8);
  torch::nn::Linear critic(8, 1);
  torch::optim::Adam generator_optimizer(generator->parameters(), torch::optim::AdamOptions(1e-3));
  torch::optim::Adam critic_optimizer(critic->parameters(), torch::optim::AdamOptions(1e-3));
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe two optimizers]
  session.track("generator", generator);
  session.track("critic", critic);
  session.track("generator_optimizer", generator_optimizer);
  session.track("critic_optimizer", critic_optimizer);
  session.track("step", step);
  track_rng(session);
  while (step < steps) {
    const bool critics_turn = step % 2 == 0;  // one turn an iteration: what follows the boundary
    const auto fake = generator(torch::randn({16, 4}));  // must be the same for both
    const auto real = torch::randn({16, 8}).sin();
    const auto loss = critics_turn ? critic(fake.detach()).mean() - critic(real).mean() +
                                         critic(real).square().mean()
                                   : -critic(fake).mean();
    generator_optimizer.zero_grad();
    critic_optimizer.zero_grad();
    loss.backward();
    run.log(loss.item<double>());
    const auto verdict =
        critics_turn ? session.step(critic_optimizer) : session.step(generator_optimizer);
    if (verdict == cardswap::StepResult::moved) return 0;
    ++step;
  }
  // [end]
  return run.finished();
}

int masters(Run& run) {
  torch::nn::Linear model(16, 16);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe masters]
  MasterWeights masters(*model);  // runtime/examples/master_weights.h: the model's weights are bf16
  torch::optim::AdamW optimizer(masters.masters->parameters(), torch::optim::AdamWOptions(1e-2));
  session.track("model", model);
  session.track("masters", masters.masters);
  session.track("optimizer", optimizer);
  session.track("step", step);
  track_rng(session);
  session.after_step("weights", [&] { masters.give_weights(); }, {"model"});
  while (step < steps) {
    const auto x = torch::randn({16, 16});
    const auto out = model(x.to(torch::kBFloat16)).to(torch::kFloat);
    const auto loss = torch::mse_loss(out, x.sin());
    loss.backward();
    masters.take_gradients();  // bf16 gradients of the model, as new fp32 ones of the masters
    run.log(loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
    ++step;
  }
  // [end]
  return run.finished();
}

int growing_groups(Run& run) {
  torch::nn::ModuleList layers;
  for (int i = 0; i < 4; ++i) layers->push_back(torch::nn::Linear(8, 8));
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe growing groups]
  torch::optim::AdamW optimizer(layers[3]->parameters(), torch::optim::AdamWOptions(1e-2));
  std::uint64_t groups = 1;  // the last layer learns first
  const auto add_group = [&] {
    optimizer.add_param_group(torch::optim::OptimizerParamGroup(layers[3 - groups]->parameters()));
    ++groups;
  };
  session.track("layers", layers);  // all layers, from the start
  session.track_state("groups", cardswap::tracked_growth(groups, add_group));
  session.track("optimizer", optimizer);  // after what adds to it
  session.track("step", step);
  track_rng(session);
  while (step < steps) {
    if (groups < 4 && step == 5 * groups) add_group();
    const auto x = torch::randn({16, 8});
    auto out = x;
    for (const auto& layer : *layers)
      out = torch::tanh(layer->as<torch::nn::Linear>()->forward(out));
    const auto loss = torch::mse_loss(out, x.sin());
    layers->zero_grad();
    loss.backward();
    run.log(loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;
    ++step;
  }
  // [end]
  return run.finished();
}

int lbfgs(Run& run) {
  torch::nn::Linear model(8, 4);
  auto& session = run.session;
  const auto& steps = run.steps;
  auto& step = run.step;
  // [recipe lbfgs]
  torch::optim::LBFGS optimizer(model->parameters(),
                                torch::optim::LBFGSOptions(0.1).max_iter(3).history_size(6));
  session.track("model", model);
  session.track("optimizer", optimizer);  // its history too
  session.track("step", step);
  track_rng(session);
  while (step < steps) {
    const auto x = torch::randn({64, 8});
    const auto y = x.narrow(1, 0, 4).sin() + 0.1 * torch::randn({64, 4});
    const auto loss = optimizer.step([&] {  // it calls this as often as it likes
      optimizer.zero_grad();
      auto now = torch::mse_loss(model(x), y);
      now.backward();
      return now;
    });
    run.log(loss.item<double>());
    if (session.step_boundary() == cardswap::StepResult::moved) return 0;
    ++step;
  }
  // [end]
  return run.finished();
}

}  // namespace recipes
