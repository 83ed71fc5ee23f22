// A small GPT on real text, character by character, with AdamW.

#include <ATen/autocast_mode.h>
#include <cardswap/torch.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "master_weights.h"
#include "trainer.h"

namespace nn = torch::nn;
namespace F = torch::nn::functional;

namespace {

struct Shape {
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t width = 128;
  std::int64_t context = 64;
  std::int64_t batch = 8;
};

struct BlockImpl : nn::Module {
  explicit BlockImpl(const Shape& shape)
      : heads(shape.heads),
        norm1(register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({shape.width})))),
        norm2(register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({shape.width})))),
        qkv(register_module("qkv", nn::Linear(shape.width, 3 * shape.width))),
        out(register_module("out", nn::Linear(shape.width, shape.width))),
        up(register_module("up", nn::Linear(shape.width, 4 * shape.width))),
        down(register_module("down", nn::Linear(4 * shape.width, shape.width))) {}

  torch::Tensor forward(torch::Tensor x, const torch::Tensor& mask) {
    const auto b = x.size(0), t = x.size(1), c = x.size(2);
    auto parts = qkv(norm1(x)).view({b, t, 3, heads, c / heads}).permute({2, 0, 3, 1, 4});
    auto scores = torch::matmul(parts[0], parts[1].transpose(-2, -1)) /
                  std::sqrt(static_cast<double>(c) / static_cast<double>(heads));
    scores = scores.masked_fill(mask, -1e9).softmax(-1);
    x = x + out(torch::matmul(scores, parts[2]).transpose(1, 2).reshape({b, t, c}));
    return x + down(torch::gelu(up(norm2(x))));
  }

  std::int64_t heads;
  nn::LayerNorm norm1, norm2;
  nn::Linear qkv, out, up, down;
};
TORCH_MODULE(Block);

struct GptImpl : nn::Module {
  explicit GptImpl(const Shape& shape)
      : tokens(register_module("tokens", nn::Embedding(256, shape.width))),
        slots(register_module("places", nn::Embedding(shape.context, shape.width))),
        blocks(register_module("blocks", nn::ModuleList())),
        norm(register_module("norm", nn::LayerNorm(nn::LayerNormOptions({shape.width})))),
        head(register_module("head", nn::Linear(shape.width, 256))) {
    for (std::int64_t i = 0; i < shape.layers; ++i) blocks->push_back(Block(shape));
    mask =
        register_buffer("mask", torch::ones({shape.context, shape.context}, torch::kBool).triu(1));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    auto h = tokens(x) + slots(torch::arange(x.size(1), x.options()));
    for (const auto& block : *blocks) h = block->as<Block>()->forward(h, mask);
    return head(norm(h));
  }

  nn::Embedding tokens, slots;
  nn::ModuleList blocks;
  nn::LayerNorm norm;
  nn::Linear head;
  torch::Tensor mask;
};
TORCH_MODULE(Gpt);

constexpr std::size_t kTextMin = 1024;

/// The agent names cpus "cpu:0"; LibTorch has only one cpu device.
std::string given_device() {
  const char* given = std::getenv("CARDSWAP_DEVICE");  // NOLINT(concurrency-mt-unsafe)
  const std::string name = given == nullptr ? "cpu" : given;
  return name.starts_with("cpu") ? "cpu" : name;
}

/// Whether LibTorch can compute on the device; prints the reason if not.
bool is_here(const torch::Device& device) {
  const auto gpus = torch::cuda::is_available() ? torch::cuda::device_count() : 0;
  if (!device.is_cuda() || std::max<int>(device.index(), 0) < static_cast<int>(gpus)) return true;
  std::cerr << "gpt: there is no device " << device << ": LibTorch sees " << gpus
            << " GPUs here; nvidia-smi and `cardswap devices` say which there are\n";
  return false;
}

/// A move is checked bit for bit, so a step must compute the same bits wherever it is computed.
void compute_reproducibly(const torch::Device& device) {
  if (!device.is_cuda()) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // NOLINT(concurrency-mt-unsafe)
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

torch::Tensor read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const auto bytes = text.str();
  auto tensor = torch::empty({static_cast<std::int64_t>(bytes.size())}, torch::kByte);
  std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor.to(torch::kLong);
}

void save_checkpoint(const std::string& path, Gpt& model, torch::optim::AdamW& optimizer,
                     std::uint64_t step) {
  torch::serialize::OutputArchive archive;
  torch::serialize::OutputArchive weights;
  torch::serialize::OutputArchive state;
  model->save(weights);
  optimizer.save(state);
  archive.write("model", weights);
  archive.write("optimizer", state);
  archive.write("step", torch::tensor(static_cast<std::int64_t>(step)));
  archive.save_to(path);
}

std::uint64_t load_checkpoint(const std::string& path, Gpt& model, torch::optim::AdamW& optimizer) {
  torch::serialize::InputArchive archive;
  archive.load_from(path);
  torch::serialize::InputArchive weights;
  torch::serialize::InputArchive state;
  torch::Tensor step;
  archive.read("model", weights);
  archive.read("optimizer", state);
  archive.read("step", step);
  model->load(weights);
  optimizer.load(state);
  return static_cast<std::uint64_t>(step.item<std::int64_t>());
}

void average_in(torch::nn::Module& average, const torch::nn::Module& model, double decay) {
  const torch::NoGradGuard no_grad;
  auto into = average.parameters();
  const auto from = model.parameters();
  for (std::size_t i = 0; i < into.size(); ++i) into[i].mul_(decay).add_(from[i], 1 - decay);
}

struct GptOptions : TrainerOptions {
  Shape shape;
  std::string text = "LICENSE";
  std::string checkpoint;
  std::string resume;
  double clip = 0;
  double decay = 0;
  bool bf16 = false;
  bool bf16_weights = false;
  std::string device = given_device();

  void add_to(CLI::App& app) {
    TrainerOptions::add_to(app);
    app.add_option("--text", text, "File to learn");
    app.add_option("--layers", shape.layers, "Transformer blocks");
    app.add_option("--heads", shape.heads, "Attention heads");
    app.add_option("--width", shape.width, "Channels");
    app.add_option("--context", shape.context, "Characters a sample");
    app.add_option("--batch", shape.batch, "Samples a step");
    app.add_option("--device", device, "cpu or cuda:N; default: what the agent gives the job");
    app.add_flag("--bf16", bf16, "Compute in bfloat16, with weights in float32");
    auto* master_weights = app.add_flag("--bf16-weights", bf16_weights,
                                        "Weights in bfloat16, with masters in float32");
    app.add_option("--checkpoint", checkpoint, "File to save the state to after the last step")
        ->excludes(master_weights);
    app.add_option("--resume", resume, "Checkpoint to start from")->excludes(master_weights);
    app.add_option("--clip-head", clip, "Clip the head's weights by hand after each step; 0: not");
    app.add_option("--average", decay, "Decay of an average of the weights; 0: none");
  }
  [[nodiscard]] bool has_text() const {
    std::error_code unreadable;
    if (std::filesystem::file_size(text, unreadable) >= kTextMin && !unreadable) return true;
    std::cerr << "gpt: --text must name a file of at least " << kTextMin << " bytes to learn; '"
              << text << "' is none\n";
    return false;
  }
};

/// The loss of a batch of samples that begin anywhere in the text.
torch::Tensor next_loss(Gpt& model, const torch::Tensor& data, const Shape& shape) {
  const auto starts = torch::randint(data.size(0) - shape.context - 1, {shape.batch, 1});
  const auto at = starts + torch::arange(shape.context + 1);
  const auto batch = data.index({at.to(data.device())});
  const auto logits = model(batch.narrow(1, 0, shape.context));
  return F::cross_entropy(logits.reshape({-1, 256}),
                          batch.narrow(1, 1, shape.context).reshape({-1}));
}

int train(const GptOptions& options) {
  const torch::Device device(options.device);
  if (!is_here(device)) return 2;
  compute_reproducibly(device);
  const auto data = read_text(options.text).to(device);
  Gpt model(options.shape);
  model->to(device);
  at::autocast::set_autocast_enabled(device.type(), options.bf16);
  if (options.bf16) at::autocast::set_autocast_dtype(device.type(), at::kBFloat16);
  std::optional<MasterWeights> masters;
  if (options.bf16_weights) masters.emplace(*model);
  torch::optim::AdamW optimizer(masters ? masters->masters->parameters() : model->parameters(),
                                torch::optim::AdamWOptions(3e-4));
  std::uint64_t step = 0;
  if (!options.resume.empty()) step = load_checkpoint(options.resume, model, optimizer);

  auto session = cardswap::Session::open();
  session.track("model", model);
  if (masters) session.track("masters", masters->masters);
  session.track("optimizer", optimizer);
  session.track("step", step);
  cardswap::track_rng(session);
  if (masters) session.after_step("weights", [&] { masters->give_weights(); }, {"model"});
  Gpt average(nullptr);
  if (options.decay > 0) {
    average = Gpt(options.shape);
    average->to(device);
    average_in(*average, *model, 0);
    session.track("average", average);
    session.after_step("averaging", [&] { average_in(*average, *model, options.decay); },
                       {"average"});
  }
  LossLog log(options, session);
  while (step < options.steps) {
    log.begin(step);
    const auto loss = next_loss(model, data, options.shape);
    optimizer.zero_grad();
    loss.backward();
    if (masters) masters->take_gradients();
    at::autocast::clear_cache();
    log.write(step, loss.item<double>());
    if (session.step(optimizer) == cardswap::StepResult::migrated) return log.moved();
    if (options.clip > 0) {  // an update behind the optimizer's back
      const torch::NoGradGuard no_grad;
      model->head->weight.clamp_(-options.clip, options.clip);
    }
    ++step;
  }
  if (!options.checkpoint.empty()) {
    save_checkpoint(options.checkpoint, model, optimizer, step);
  }
  return log.finished();
}

int run(int argc, char** argv) {
  GptOptions options;
  CLI::App app("Trains a small GPT");
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  return options.has_text() ? train(options) : 2;
}

}  // namespace

int main(int argc, char** argv) { return guarded(run, argc, argv); }
