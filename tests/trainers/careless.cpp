// A trainer without LibTorch whose author made one ordinary mistake, chosen with --case. It notes
// each update that its optimizer makes, with the process that made it: what was moved rightly has
// each update once.

#include <cardswap/session.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <vector>

#include "runtime/framework.h"

namespace fs = std::filesystem;

namespace {

using cardswap::Session;
using cardswap::StepResult;

struct Options {
  std::string mistake = "none";
  std::uint64_t steps = 100;
  std::uint64_t bytes = 1U << 16;
  double step_ms = 5;
  std::string log = "-";
  std::string finish;
};

class Notes {
 public:
  explicit Notes(const std::string& path)
      : file_(path == "-" ? stdout : std::fopen(path.c_str(), "a")) {}
  void write(const std::string& line) {
    std::fprintf(file_, "%s\n", line.c_str());
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
};

/// As an optimizer of a program's own: the session steps it, and tracks its words.
class Optimizer {
 public:
  Optimizer(std::vector<std::uint64_t>& words, const std::uint64_t& step, Notes& notes,
            const Session& session)
      : words_(words), step_(step), notes_(notes), session_(session) {}
  void step() {
    for (auto& word : words_) word = word * 6364136223846793005ULL + 1442695040888963407ULL + step_;
    if (!session_.is_standby()) notes_.write("update " + std::to_string(step_));
  }

 private:
  std::vector<std::uint64_t>& words_;
  const std::uint64_t& step_;
  Notes& notes_;
  const Session& session_;
};

int train(const Options& options) {
  Notes notes(options.log);
  std::vector<std::uint64_t> words(options.bytes / sizeof(std::uint64_t), 7);
  std::uint64_t step = 0;
  auto session = Session::open();
  if (options.mistake == "nothing but values") {
    session.track("words", words);
  } else {
    session.track_memory("words", std::as_writable_bytes(std::span(words)));
  }
  session.track("step", step);
  Optimizer optimizer(words, step, notes, session);
  const auto is = [&](const char* name) { return options.mistake == name; };
  if (!is("nothing says what the optimizer has")) session.track_parts(optimizer, {"words"});
  std::uint64_t asked = 0;
  std::uint64_t still = 7;
  const auto no_load = [](std::span<const std::byte>) {};
  if (is("a save throws")) {
    session.track(
        "cursor", []() -> std::vector<std::byte> { throw std::runtime_error("no such shard"); },
        no_load);
  }
  if (is("a save is restless")) {
    session.track(
        "cursor", [&asked] { return std::vector<std::byte>(8, static_cast<std::byte>(++asked)); },
        no_load);
  }
  if (is("a value stands still")) session.track("sampler", still);
  std::vector<float> table(is("a value is large") ? 9U << 20U : 1);
  if (is("a value is large")) session.track("table", table);
  if (is("second session")) {
    try {
      const auto second = Session::open();
      notes.write("two sessions");
    } catch (const std::exception& error) {
      notes.write(std::string("refused: ") + error.what());
    }
  }
  std::jthread helper;
  while (step < options.steps && (options.finish.empty() || !fs::exists(options.finish))) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(options.step_ms));
    if (is("a fork goes on") && !session.is_standby() && step == 3) {
      if (const auto child = ::fork(); child != 0) {
        int status = 0;
        ::waitpid(child, &status, 0);
        notes.write("the fork's status is " + std::to_string(WEXITSTATUS(status)));
      }
    }
    if (is("something is tracked late") && step == 3) session.track("late", still);
    const auto verdict = session.step(optimizer);
    if (verdict == StepResult::moved && is("another thread goes on")) {
      helper = std::jthread([&] {
        ++step;
        std::ignore = session.step(optimizer);
        notes.write("the other thread took a step");
      });
      helper.join();
    }
    if (verdict == StepResult::moved && !is("moved is ignored")) return 0;
    ++step;
  }
  if (!is("a save throws")) notes.write("digest " + session.state_digest());
  return 0;
}

}  // namespace

/// What its program is built with, as far as anybody can tell.
const char* cardswap::detail::framework() noexcept {
  const char* claimed = std::getenv("CLAIMED_FRAMEWORK");
  return claimed == nullptr ? "none" : claimed;
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains with one mistake");
  app.add_option("--case", options.mistake, "The mistake");
  app.add_option("--steps", options.steps, "Steps to train");
  app.add_option("--bytes", options.bytes, "Bytes of state");
  app.add_option("--step-ms", options.step_ms, "Shortest time of a step");
  app.add_option("--log", options.log, "File to append to; - is stdout");
  app.add_option("--finish", options.finish, "File that ends the run once it is there");
  CLI11_PARSE(app, argc, argv);
  try {
    return train(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "careless: %s\n", error.what());
    return 1;
  }
}
