#include <cardswap/torch.h>

int main() {
  torch::nn::Linear model(3, 3);
  torch::optim::AdamW optimizer(model->parameters());
  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track_rng();
  model(torch::ones({1, 3})).sum().backward();
  return session.step(optimizer) == cardswap::Verdict::going_on && session.steps() == 1 ? 0 : 1;
}
