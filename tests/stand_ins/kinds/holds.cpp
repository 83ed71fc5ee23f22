// plain_memory that also holds the things that --with names while it trains. It prints those that
// this machine does not have. Some things are checked after the last step: they must be unchanged
// after a move. It ends when its folder has a file `end`.

#include <cardswap/session.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "runtime/examples/trainer.h"
#include "tests/stand_ins/kinds/kinds.h"

namespace {

using cardswap::test::Check;

/// Opens the things, each in a folder of its own. Throws std::out_of_range for an unknown name.
std::map<std::string, Check> hold(const std::vector<std::string>& with, const std::string& dir) {
  auto kinds = cardswap::test::kinds_that_move();
  kinds.merge(cardswap::test::kinds_that_stay());
  std::map<std::string, Check> held;
  for (const auto& name : with) {
    const auto own = std::filesystem::path(dir) / name;
    std::filesystem::create_directory(own);
    try {
      held[name] = kinds.at(name)(own.string());
    } catch (const cardswap::test::Missing& missing) {
      std::printf("no %s: %s\n", name.c_str(), missing.what());
      std::fflush(stdout);
    }
  }
  return held;
}

}  // namespace

int main(int argc, char** argv) {
  TrainerOptions options;
  std::vector<std::string> with;
  std::string dir;
  CLI::App app("Advances memory step by step and holds things more");
  options.add_to(app);
  app.add_option("--with", with)->delimiter(',');
  app.add_option("--dir", dir, "A folder for its files")->required();
  CLI11_PARSE(app, argc, argv);

  auto session = cardswap::Session::open();
  const auto held = hold(with, dir);
  const auto memory = session.allocate("words", 1U << 20);
  const std::span words(reinterpret_cast<std::uint64_t*>(memory.data()), memory.size() / 8);
  std::uint64_t step = 0;
  session.track("step", step);
  LossLog log(options, session);
  while (!std::filesystem::exists(dir + "/end")) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    std::uint64_t sum = 0;
    for (auto& word : words) {
      word = word * 6364136223846793005ULL + 1442695040888963407ULL + step;
      sum += word >> 40U;
    }
    log.write(step, static_cast<double>(sum));
    std::this_thread::sleep_until(next);
    if (session.step_boundary() == cardswap::StepResult::migrated) return log.moved();
    ++step;
  }
  bool same = true;
  for (const auto& [name, check] : held) {
    if (!check || check()) continue;
    std::printf("%s is not what it was\n", name.c_str());
    same = false;
  }
  std::fflush(stdout);
  return same ? log.finished() : 3;
}
