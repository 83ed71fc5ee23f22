// State that is difficult to track: tied embeddings, buffers of other types (fp64, int, bool, bf16,
// fp16, an empty one, a view that is not contiguous), parameters without a gradient, one that gets
// its first gradient late, several groups, two optimizers, and a sampler.

#include <cardswap/torch.h>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

struct TiedImpl : nn::Module {
  explicit TiedImpl(std::int64_t width)
      : embedding(register_module("embedding", nn::Embedding(128, width))),
        hidden(register_module("hidden", nn::Linear(width, width))),
        late(register_module("late", nn::Linear(width, width))) {
    head = register_parameter("head", embedding->weight);
    unused = register_parameter("unused", torch::randn({7}));
    mean = register_buffer("mean", torch::zeros({width}, torch::kDouble));
    counts = register_buffer("counts", torch::zeros({128}, torch::kLong));
    seen = register_buffer("seen", torch::zeros({128}, torch::kBool));
    coarse = register_buffer("coarse", torch::zeros({width}, torch::kBFloat16));
    half = register_buffer("half", torch::zeros({width}, torch::kHalf));
    register_buffer("nothing", torch::empty({0}));
    auto grid = torch::zeros({16, 16});
    column = register_buffer("column", grid.t().slice(0, 2, 10, 3));
  }

  torch::Tensor forward(const torch::Tensor& x, bool with_late) {
    auto h = torch::tanh(hidden(embedding(x)));
    if (with_late) h = h + late(h);
    const torch::NoGradGuard no_grad;
    mean.mul_(0.9).add_(h.detach().to(torch::kDouble).mean(at::IntArrayRef{0, 1}), 0.1);
    counts.add_(torch::bincount(x.flatten(), {}, 128));
    seen.logical_or_(counts > 3);
    coarse.copy_(mean);
    half.copy_(mean);
    column.add_(h.detach().mean());
    return h;
  }

  nn::Embedding embedding;
  nn::Linear hidden, late;
  torch::Tensor head, unused, mean, counts, seen, coarse, half, column;
};
TORCH_MODULE(Tied);

int train(int argc, char** argv) {
  TrainerOptions options;
  std::int64_t width = 64;
  CLI::App app("Trains a model with tied embeddings and buffers of many types");
  options.add_to(app);
  app.add_option("--width", width, "Channels");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  Tied model(width);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(model->hidden->parameters(),
                      std::make_unique<torch::optim::AdamOptions>(1e-3));
  auto slow = std::make_unique<torch::optim::AdamOptions>(1e-4);
  slow->amsgrad(true);
  auto rest = model->late->parameters();
  rest.push_back(model->unused);
  groups.emplace_back(rest, std::move(slow));
  torch::optim::Adam optimizer(groups, torch::optim::AdamOptions(1e-3));
  torch::optim::Adagrad embedding_optimizer({model->embedding->weight},
                                            torch::optim::AdagradOptions(0.05));
  torch::data::samplers::RandomSampler sampler(256);
  std::uint64_t step = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  session.track("embedding_optimizer", embedding_optimizer);
  session.track("sampler", sampler);
  session.track("step", step);
  cardswap::track_rng(session);
  LossLog log(options, session);
  while (step < options.steps) {
    log.begin(step);
    auto picked = sampler.next(8);
    if (!picked) {
      sampler.reset();
      picked = sampler.next(8);
    }
    std::vector<std::int64_t> starts(picked->begin(), picked->end());
    const auto x = (torch::tensor(starts).unsqueeze(1) + torch::arange(17)) % 128;
    const auto h = model(x.narrow(1, 0, 16), step >= 12);
    const auto logits = torch::linear(h, model->head);
    const auto loss = torch::nn::functional::cross_entropy(logits.reshape({-1, 128}),
                                                           x.narrow(1, 1, 16).reshape({-1}));
    optimizer.zero_grad();
    embedding_optimizer.zero_grad();
    loss.backward();
    log.write(step, loss.item<double>());
    if (session.step(embedding_optimizer, optimizer) == cardswap::StepResult::migrated)
      return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
