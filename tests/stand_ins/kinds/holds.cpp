// plain_memory that holds one thing more, which --with names, while it trains. Some of them are
// looked at after the last step: what moved has to be what it was.

#include <cardswap/session.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <span>
#include <string>
#include <thread>

#include "runtime/examples/trainer.h"
#include "tests/stand_ins/kinds/kinds.h"

int main(int argc, char** argv) {
  TrainerOptions options;
  std::string with = "nothing";
  std::string dir;
  CLI::App app("Advances memory step by step and holds one thing more");
  options.add_to(app);
  app.add_option("--with", with)->required();
  app.add_option("--dir", dir, "A folder for its files")->required();
  CLI11_PARSE(app, argc, argv);
  auto kinds = cardswap::test::kinds_that_move();
  kinds.merge(cardswap::test::kinds_that_stay());
  const auto kind = kinds.find(with);
  if (kind == kinds.end()) return 2;

  auto session = cardswap::Session::open();
  const auto check = kind->second(dir);
  const auto memory = session.allocate("words", 1U << 20);
  const std::span words(reinterpret_cast<std::uint64_t*>(memory.data()), memory.size() / 8);
  std::uint64_t step = 0;
  session.track("step", step);
  LossLog log(options, session);
  while (step < options.steps) {
    const auto next = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    std::uint64_t sum = 0;
    for (auto& word : words) {
      word = word * 6364136223846793005ULL + 1442695040888963407ULL + step;
      sum += word >> 40U;
    }
    log.write(step, static_cast<double>(sum));
    std::this_thread::sleep_until(next);
    if (session.step_boundary() == cardswap::Verdict::moved) return log.moved();
    ++step;
  }
  if (check && !check()) {
    std::fprintf(stderr, "holds: %s is not what it was\n", with.c_str());
    return 3;
  }
  return log.finished();
}
