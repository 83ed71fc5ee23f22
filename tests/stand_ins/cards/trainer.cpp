// plain_memory with half of its state on the stand-ins' card, where its steps are kernels of a
// stream, and half in memory that Cardswap allocates.

#include <cardswap/session.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstring>
#include <filesystem>
#include <span>
#include <thread>
#include <utility>

#include "runtime/examples/trainer.h"
#include "tests/stand_ins/cards/cards.h"

namespace {

using namespace cardswap;

std::uint64_t advance(std::byte* memory, std::size_t words, std::uint64_t step) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, memory + i * sizeof(word), sizeof(word));
    word = word * 6364136223846793005ULL + 1442695040888963407ULL + step;
    std::memcpy(memory + i * sizeof(word), &word, sizeof(word));
    sum += word >> 40U;
  }
  return sum;
}

/// A storage on the card that can be re-homed, as a framework's is.
class OnCard final : public TrackedState {
 public:
  OnCard(test::StandInCard& card, std::size_t bytes) : card_(card) {
    auto buffer = card.device->allocate(bytes);
    memory_ = buffer.bytes;
    keep_ = buffer.owner;
    std::memset(card.runtime->behind(memory_.data()), 3, bytes);
  }
  void regions(std::vector<TrackedRegion>& out) override {
    TrackedRegion region;
    region.dtype = "bytes";
    region.memory = memory_;
    region.storage = this;
    region.keep_alive = keep_;
    region.device = card_.device;
    region.relocate = [this](std::byte* home, std::shared_ptr<void> keep) {
      const auto bytes = memory_.size();
      (void)card_.runtime->copy(home, memory_.data(), bytes, card_.program);
      card_.runtime->work(card_.program, [old = std::exchange(keep_, std::move(keep))] {});
      memory_ = {home, bytes};
    };
    out.push_back(std::move(region));
  }
  /// The step's sum, once the card has it.
  std::uint64_t step(double dirty_share, std::uint64_t number) {
    std::uint64_t sum = 0;
    const auto words = static_cast<std::size_t>(dirty_share * static_cast<double>(memory_.size())) /
                       sizeof(std::uint64_t);
    card_.runtime->work(card_.program, [this, &sum, words, number] {
      sum = advance(card_.runtime->behind(memory_.data()), words, number);
    });
    card_.device->wait(card_.device->fence());
    return sum;
  }

 private:
  test::StandInCard& card_;
  std::span<std::byte> memory_;
  std::shared_ptr<const void> keep_;
};

}  // namespace

int main(int argc, char** argv) {
  TrainerOptions options;
  std::size_t bytes = 0;
  double dirty_share = 1;
  double step_ms = 0;
  std::string end_when;
  CLI::App app("Advances memory on a card and on the host step by step");
  options.add_to(app);
  app.add_option("--bytes", bytes);
  app.add_option("--dirty-share", dirty_share);
  app.add_option("--step-ms", step_ms);
  app.add_option("--end-when", end_when);
  app.add_flag("--arena");
  CLI11_PARSE(app, argc, argv);

  test::StandInCard card;
  auto session = Session::open();
  const auto host = session.allocate("host", bytes / 2);
  auto made = std::make_unique<OnCard>(card, bytes - host.size());
  auto& on_card = *made;
  session.track_state("card", std::move(made));
  std::uint64_t step = 0;
  session.track("step", step);
  LossLog log(options, session);
  while (step < options.steps && (end_when.empty() || !std::filesystem::exists(end_when))) {
    const auto begin = std::chrono::steady_clock::now();
    const auto dirty = static_cast<std::size_t>(dirty_share * static_cast<double>(host.size()));
    const auto sum = on_card.step(dirty_share, step) + advance(host.data(), dirty / 8, step);
    log.write(step, static_cast<double>(sum));
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                              std::chrono::duration<double, std::milli>(step_ms)));
    if (session.step_boundary() == StepResult::moved) return log.moved();
    ++step;
  }
  return log.finished();
}
