#include <cardswap/torch.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

int main(int argc, char** argv) try {
  const std::uint64_t steps = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  const char* const log_path = argc > 2 ? argv[2] : "losses";
  torch::manual_seed(1);
  torch::nn::Linear model(64, 8);
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-2));
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();  // inert when no agent started the program
  session.track("model", model);             // parameters and buffers, each storage once
  session.track("optimizer", optimizer);     // its tensors, counters and options
  session.track("step", step);
  cardswap::track_rng(session);  // LibTorch's default generators, the CPU's and the GPU's

  std::FILE* const log = std::fopen(log_path, "a");  // "a", never "w": see the guide
  if (log == nullptr) throw std::runtime_error("the log cannot be opened");
  while (step < steps) {
    const auto x = torch::randn({32, 64});
    const auto loss = torch::mse_loss(model(x), x.narrow(1, 0, 8).sin());
    optimizer.zero_grad();
    loss.backward();
    if (!session.is_standby()) {  // before the boundary, and not in a standby's warm-up step
      std::fprintf(log, "step %llu loss %a\n", static_cast<unsigned long long>(step),
                   loss.item<double>());
      std::fflush(log);
    }
    if (session.step(optimizer) == cardswap::StepResult::moved) return 0;  // it goes on elsewhere
    ++step;
  }
  std::fprintf(log, "digest %s\n", session.state_digest().c_str());  // only where it ends
  return std::fclose(log);
} catch (const std::exception& error) {  // of open() and track(): what is wrong, by name
  std::cerr << "my_trainer: " << error.what() << "\n";
  return 1;
}
