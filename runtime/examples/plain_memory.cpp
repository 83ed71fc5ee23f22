// A job without a framework: plain memory, counters, and a rule that computes the next state from
// the last one. It uses cardswap::runtime alone; most tests move this job.

#include <cardswap/session.h>
#include <unistd.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>
#include <thread>
#include <vector>

#include "trainer.h"

namespace {

/// One step of a full-period generator over every word of the dirty share.
double advance(std::span<std::uint64_t> words, std::size_t dirty, std::uint64_t step) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < dirty; ++i) {
    words[i] = words[i] * 6364136223846793005ULL + 1442695040888963407ULL + step;
    sum += words[i] >> 40;
  }
  return dirty == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(dirty);
}

/// The options of this trainer.
struct PlainOptions : TrainerOptions {
  std::size_t bytes = 8U << 20;
  double dirty_share = 1;
  double step_ms = 0;
  std::string end_when;
  std::string wait_while;
  std::string digest_log;
  std::uint64_t stray_from = std::numeric_limits<std::uint64_t>::max();
  bool arena = false;
  bool ignore_moved = false;

  void add_to(CLI::App& app) {
    TrainerOptions::add_to(app);
    app.add_option("--bytes", bytes, "Bytes of state");
    app.add_option("--dirty-share", dirty_share, "Share of the state that a step rewrites, 0 to 1");
    app.add_option("--step-ms", step_ms, "Shortest time of a step");
    app.add_option("--end-when", end_when, "A file: when it exists, no further step begins");
    app.add_option("--wait-while", wait_while, "A file: while it exists, no step begins");
    app.add_option("--digest-log", digest_log,
                   "File to append the state's digest to, at each step's end, whoever takes it");
    app.add_option("--stray-from", stray_from,
                   "First step that depends on what is not tracked: the process's number");
    app.add_flag("--ignore-moved", ignore_moved,
                 "Train on after the job moved, as a program that looks at no verdict would");
    app.add_flag("--arena", arena, "Let Cardswap allocate the state, for --arrive criu");
  }
};

int train(int argc, char** argv) {
  PlainOptions options;
  CLI::App app("Advances a block of memory step by step");
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);

  auto session = cardswap::Session::open();
  std::vector<std::uint64_t> own(options.arena ? 0 : options.bytes / sizeof(std::uint64_t));
  std::span<std::uint64_t> words(own);
  if (options.arena) {
    const auto memory = session.allocate("words", options.bytes / sizeof(std::uint64_t) * 8);
    words = {reinterpret_cast<std::uint64_t*>(memory.data()), memory.size() / 8};
  } else {
    session.track_memory("words", std::as_writable_bytes(words));
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = options.seed + i * 0x9e3779b97f4a7c15ULL;
  }
  const auto dirty =
      static_cast<std::size_t>(options.dirty_share * static_cast<double>(words.size()));
  std::uint64_t step = 0;
  session.track("step", step);
  LossLog log(options, session);
  bool moved = false;   // and it goes on: what it computes then is nobody's
  bool passed = false;  // a boundary, after that: it must never come so far
  const auto exists = [&](const std::string& file) {
    return !file.empty() && !session.is_standby() && std::filesystem::exists(file);
  };
  while (step < options.steps && !exists(options.end_when)) {
    while (exists(options.wait_while)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    log.begin(step);
    const auto begin = std::chrono::steady_clock::now();
    const auto loss = advance(words, dirty, step);
    if (step >= options.stray_from && !words.empty())
      words[0] += static_cast<std::uint64_t>(::getpid());
    if (!moved || passed) log.write(step, loss);
    std::this_thread::sleep_until(begin +
                                  std::chrono::duration_cast<std::chrono::nanoseconds>(
                                      std::chrono::duration<double, std::milli>(options.step_ms)));
    if (!options.digest_log.empty()) {
      std::ofstream(options.digest_log, std::ios::app)
          << step + 1 << " " << session.state_digest() << "\n";
    }
    const auto verdict = session.step_boundary();
    passed = moved;
    if (verdict == cardswap::StepResult::moved) {
      if (!options.ignore_moved) return log.moved();
      moved = true;
    }
    ++step;
  }
  return log.finished();
}

}  // namespace

int main(int argc, char** argv) { return guarded(train, argc, argv); }
