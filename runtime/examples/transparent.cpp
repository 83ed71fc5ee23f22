// A job that tracks its model and its optimizer and nothing else. Its position in the data, its
// counters, its random numbers, its log file and its thread are not tracked: such a job moves with
// `cardswap migrate --arrive criu`.

#include <cardswap/torch.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "trainer.h"

namespace nn = torch::nn;

namespace {

struct Batch {
  std::vector<float> inputs;
  std::vector<std::int64_t> labels;
};

/// Makes the batches ahead of the training loop, on its own thread: the next batch is in no tensor
/// that could be tracked.
class Loader {
 public:
  Loader(std::uint64_t seed, std::size_t batch, std::size_t width)
      : random_(seed), batch_(batch), width_(width), thread_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) load(stop);
        }) {}

  Batch next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ready_.empty(); });
    auto batch = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return batch;
  }

 private:
  void load(const std::stop_token& stop) {
    Batch batch;
    for (std::size_t i = 0; i < batch_; ++i) {
      const auto label = static_cast<std::int64_t>(random_() % kClasses);
      batch.labels.push_back(label);
      for (std::size_t j = 0; j < width_; ++j) {
        const auto noise = static_cast<float>(random_() >> 40U) / 16777216.0F;
        batch.inputs.push_back(noise + static_cast<float>(label) / kClasses);
      }
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return ready_.size() < kAhead; });
    ready_.push_back(std::move(batch));
    changed_.notify_all();
  }

  static constexpr std::size_t kAhead = 4;

  std::mt19937_64 random_;
  const std::size_t batch_;
  const std::size_t width_;
  std::mutex mutex_;  // guards the next
  std::deque<Batch> ready_;
  std::condition_variable_any changed_;
  std::jthread thread_;

 public:
  static constexpr int kClasses = 10;
};

nn::Sequential network(std::int64_t layers, std::int64_t width) {
  nn::Sequential model;
  for (std::int64_t i = 0; i < layers; ++i) {
    model->push_back(nn::Linear(width, width));
    model->push_back(nn::BatchNorm1d(width));
    model->push_back(nn::ReLU());
    model->push_back(nn::Dropout(0.2));
  }
  model->push_back(nn::Linear(width, Loader::kClasses));
  return model;
}

int train(int argc, char** argv) {
  TrainerOptions options;
  std::size_t batch_size = 16;
  std::int64_t width = 64;
  std::int64_t layers = 2;
  double step_ms = 0;
  std::string own_log;
  std::string end_when;
  CLI::App app("Trains a small network and registers its tensors only");
  options.add_to(app);
  app.add_option("--batch", batch_size, "Samples a step");
  app.add_option("--width", width, "Channels");
  app.add_option("--layers", layers, "Hidden layers");
  app.add_option("--step-ms", step_ms, "Shortest time of a step");
  app.add_option("--own-log", own_log, "Another file to append losses to, kept open");
  app.add_option("--end-when", end_when, "A file: when it exists, no further step begins");
  CLI11_PARSE(app, argc, argv);

  torch::manual_seed(options.seed);
  torch::set_num_threads(options.threads);
  auto model = network(layers, width);
  torch::optim::AdamW optimizer(model->parameters(), torch::optim::AdamWOptions(1e-3));
  Loader loader(options.seed, batch_size, static_cast<std::size_t>(width));
  std::uint64_t step = 0;
  double average = 0;

  auto session = cardswap::Session::open();
  session.track("model", model);
  session.track("optimizer", optimizer);
  LossLog log(options, session);
  TrainerOptions own = options;
  own.loss_log = own_log.empty() ? "/dev/null" : own_log;
  own.times.clear();
  LossLog second_log(own, session);
  while (step < options.steps && (end_when.empty() || !std::filesystem::exists(end_when))) {
    log.begin(step);
    const auto begin = std::chrono::steady_clock::now();
    auto batch = loader.next();
    const auto count = static_cast<std::int64_t>(batch_size);
    const auto inputs = torch::from_blob(batch.inputs.data(), {count, width}, torch::kFloat);
    const auto labels = torch::from_blob(batch.labels.data(), {count}, torch::kLong);
    const auto loss = torch::nn::functional::cross_entropy(model->forward(inputs), labels);
    optimizer.zero_grad();
    loss.backward();
    average = 0.9 * average + 0.1 * loss.item<double>();
    log.write(step, average);
    second_log.write(step, average);
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::duration<double, std::milli>(step_ms)));
    if (session.step(optimizer) == cardswap::StepResult::migrated) return log.moved();
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
