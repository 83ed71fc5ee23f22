// What a rehearsed step finds, what it raises for nothing, and what it costs. Two agents on this
// machine.
//
// found: of eight trainers that each forget to track one thing, those that `cardswap check` names.
// false alarms: deterministic trainers go to and fro, and each move is rehearsed. cost: the same
// job moved with a rehearsal and without, in turns; stall and lost time as the migration tells
// them.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/figure.h"
#include "tests/support/hosts.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::Better;
using bench::Figure;
using bench::print;
using test::Host;
using test::number;
using test::text;
using Words = std::vector<std::string>;

constexpr std::array kForgotten{"hidden",  "position", "generator", "scheduler",
                                "average", "dropout",  "order",     "environment"};
constexpr std::int64_t kFirstSteps =
    16;  // beyond the one at which the forgetful one's dropout changes

struct Options {
  std::vector<std::string> parts{"found", "alarms", "cost"};
  int moves = 100;
  int repeats = 7;
  std::string text;
  [[nodiscard]] bool has(const char* part) const {
    return std::ranges::find(parts, part) != parts.end();
  }
};

void wait_until(const std::string& what, const std::function<bool()>& condition) {
  if (!test::within(60s, condition)) throw std::runtime_error("no " + what);
}

/// Two hosts, and the jobs that go between them.
class Bench {
 public:
  struct Job {
    std::string name;
    bool at_b = false;
  };

  Job start(Words program) {
    Job job{fmt::format("job{}", ++jobs_)};
    program.insert(program.end(), {"--steps", "100000000", "--loss-log", "/dev/null"});
    a_.run_job(job.name, program);
    wait_until("first steps", [&] { return a_.step_of(job.name) >= kFirstSteps; });
    return job;
  }
  void stop(const Job& job) { (void)at(job).command({"stop", job.name}); }

  /// On the other device of the same host.
  test::Outcome check(const Job& job) {
    return at(job).command({"check", job.name, "--to", "cpu:1", "--max-stall", "none"});
  }
  /// To where it is not; what the migration says of itself, once all is known.
  boost::json::object move(Job& job, const Words& more) {
    auto& from = at(job);
    auto& to = job.at_b ? a_ : b_;
    const auto before = from.step_of(job.name);
    wait_until("pace", [&] { return from.step_of(job.name) >= before + 6; });
    Words ask{"-o", "json", "migrate", job.name, "--to", to.at("cpu:0"), "--max-stall", "none"};
    ask.insert(ask.end(), more.begin(), more.end());
    if (from.command(ask).exit_code == 0) job.at_b = !job.at_b;
    boost::json::object done;
    wait_until("steps after it", [&] {
      const auto listed = from.ask({"status"}).at("migrations").as_array();
      for (const auto& item : listed) {
        if (text(item.as_object(), "role") != "source") continue;
        done = item.as_object();
        return done.at("lost_is_final").as_bool();
      }
      return false;
    });
    return done;
  }

 private:
  Host& at(const Job& job) { return job.at_b ? b_ : a_; }

  test::TempDir dir_;
  int jobs_ = 0;
  Host a_{dir_.path() / "a", {.name = "a", .devices = {"cpu:0", "cpu:1"}}};
  Host b_{dir_.path() / "b", {.name = "b", .devices = {"cpu:0", "cpu:1"}}};
};

void measure_found(Bench& bench) {
  double found = 0;
  for (const auto* what : kForgotten) {
    const auto job = bench.start({FORGETFUL, "--forget", what, "--step-ms", "5"});
    const auto said = bench.check(job);
    const bool is = said.exit_code != 0 &&
                    said.err.find("taken at both sides from the same state") != std::string::npos;
    found += is ? 1 : 0;
    fmt::print(stderr, "# {}: {}\n", what, is ? "found" : "NOT found: " + said.err + said.out);
    bench.stop(job);
  }
  print({"rehearsal_found", "of 8", {found}, static_cast<double>(kForgotten.size())});
}

void measure_alarms(Bench& bench, const Options& options) {
  const std::vector<Words> programs{
      {FORGETFUL, "--forget", "nothing", "--step-ms", "5"},
      {test::trainer("plain_memory"), "--step-ms", "5"},
      {test::trainer("gpt"), "--text", options.text, "--layers", "2", "--width", "64"},
      {test::trainer("cnn")},
      {test::trainer("lstm")},
      {test::trainer("lora")},
      {test::trainer("tied")},
      {test::trainer("experts"), "--experts", "64", "--every", "9"}};
  double alarms = 0;
  double rounding = 0;
  double failed = 0;
  const auto count = static_cast<int>(programs.size());
  for (int i = 0; i < count; ++i) {
    auto job = bench.start(programs[static_cast<std::size_t>(i)]);
    const int moves = options.moves / count + (i < options.moves % count ? 1 : 0);
    for (int move = 0; move < moves; ++move) {
      const auto done = bench.move(job, {"--rehearse", "on"});
      const auto came_of_it = text(done.at("progress").as_object(), "rehearsal");
      alarms += came_of_it == "differs" ? 1 : 0;
      rounding += came_of_it == "rounding" ? 1 : 0;
      const bool passed = text(done, "result") == "ok" && came_of_it == "equal";
      if (passed) continue;
      failed += came_of_it == "differs" || came_of_it == "rounding" ? 0 : 1;
      fmt::print(stderr, "# {}: {}\n", programs[static_cast<std::size_t>(i)].front(),
                 boost::json::serialize(done));
    }
    fmt::print(stderr, "# {}: {} moves\n", programs[static_cast<std::size_t>(i)].front(), moves);
    bench.stop(job);
  }
  fmt::print(stderr, "# {} moves of {} programs\n", options.moves, count);
  print({"rehearsal_false_alarms", "moves", {alarms}, 0, Better::lower});
  print({"rehearsal_by_rounding", "moves", {rounding}, 0, Better::lower});
  print({"rehearsal_moves_that_failed_otherwise", "moves", {failed}, 0, Better::lower});
}

/// The job and its standby sleep for most of a step, so that they do not take each other's time.
void measure_cost(Bench& bench, const Options& options) {
  auto job = bench.start({FORGETFUL, "--forget", "nothing", "--step-ms", "50"});
  Figure lost{"rehearsal_added_lost_steps", "steps", {}, 1, Better::lower};
  Figure stall{"rehearsal_added_stall_steps", "steps", {}, {}, Better::lower};
  Figure with{"stall_steps_rehearsed", "steps", {}, {}, Better::lower};
  Figure without{"stall_steps_not_rehearsed", "steps", {}, {}, Better::lower};
  for (int i = 0; i < options.repeats; ++i) {
    const auto moved = [&](const char* rehearse) {
      const auto done = bench.move(job, {"--strategy", "replay", "--rehearse", rehearse});
      if (text(done, "result") != "ok") {
        throw std::runtime_error("it was not moved: " + boost::json::serialize(done));
      }
      return done;
    };
    const auto off = moved("off");
    const auto on = moved("on");
    lost.samples.push_back(number(on, "lost_steps") - number(off, "lost_steps"));
    stall.samples.push_back(number(on, "stall_steps") - number(off, "stall_steps"));
    with.samples.push_back(number(on, "stall_steps"));
    without.samples.push_back(number(off, "stall_steps"));
  }
  bench.stop(job);
  for (const auto& figure : {lost, stall, with, without}) print(figure);
}

void run_with(int argc, char** argv) {
  Options options;
  CLI::App app("What a rehearsed step finds, raises for nothing, and costs");
  app.add_option("--parts", options.parts, "found, alarms, cost")
      ->delimiter(',')
      ->check(CLI::IsMember({"found", "alarms", "cost"}));
  app.add_option("--moves", options.moves, "Of deterministic trainers")
      ->check(CLI::Range(1, 100000));
  app.add_option("--repeats", options.repeats, "Of the pairs that the cost is measured by")
      ->check(CLI::Range(1, 1000));
  app.add_option("--text", options.text)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  Bench bench;
  if (options.has("found")) measure_found(bench);
  if (options.has("alarms")) measure_alarms(bench, options);
  if (options.has("cost")) measure_cost(bench, options);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("rehearsal", run_with, argc, argv); }
