// What moving a job costs the job: by strategy, and by how long its state and its gradients take
// the link. Two network namespaces, an agent in each, a GPT with AdamW. All sides in one run, in
// turns.
//
// The clock is the trainers' own (--times): stall is the longest that one step came late, lost is
// all lateness, from when the state begins to go over until ten steps after the move, both in its
// own steps. The start of the standby is not in it: two hosts do not share one machine.
//
// One job goes to and fro over the link, which is limited in both directions alike, and each move
// is measured. With --table what was measured is not measured again.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/cost_bench.h"
#include "tests/bench/cost_table.h"
#include "tests/bench/figure.h"
#include "tests/support/hosts.h"

namespace {

using namespace cardswap;
using bench::Better;
using bench::CostRow;
using bench::CostTable;
using bench::Figure;
using bench::Kind;
using bench::median;
using bench::print;
using test::NetnsPair;

/// Less is not to be told from what a busy moment of the machine costs.
constexpr double kLostMin = 0.5;        // steps
constexpr double kDifferenceMin = 0.1;  // steps, of a prediction
constexpr double kSmallLog = 0.7;       // of a step, that gradients take the link
constexpr double kLimitSteps = 3;
constexpr std::array kStrategies{"stop-copy", "rounds", "replay", "auto"};

struct Options {
  std::vector<double> points{0.5, 2, 6, 20};
  std::vector<std::string> gradients{"fp32", "bf16"};
  int repeats = 5;
  bench::CostModel model;
  bool limits = true;
  std::string table;
};

/// What was predicted against what it was.
class Predictions {
 public:
  void add(const CostRow& m) {
    add(stall_, m.predicted_stall, m.stall);
    add(lost_, m.predicted_lost, m.lost);
    add(raw_stall_, m.raw_stall, m.stall);
    add(raw_lost_, m.raw_lost, m.lost);
    if (m.said_lost > 0) add(said_lost_, m.predicted_lost, m.said_lost);
  }
  void print_all() {
    fmt::print(stderr, "# predicted within 1.5x is also what is wrong by {} steps at most\n",
               kDifferenceMin);
    print({"stall_predicted_within_1_5x_pct", "%", {share(stall_)}, 90});
    print({"lost_predicted_within_1_5x_pct", "%", {share(lost_)}, 90});
    print({"stall_predicted_raw_within_1_5x_pct", "%", {share(raw_stall_)}});
    print({"lost_predicted_raw_within_1_5x_pct", "%", {share(raw_lost_)}});
    // The clock counts every step that is a tenth late, the migration leaves jitter out.
    if (said_lost_.all > 0)
      print({"lost_predicted_of_said_within_1_5x_pct", "%", {share(said_lost_)}});
  }

 private:
  struct Count {
    int within = 0;
    int all = 0;
  };
  static double share(const Count& count) { return 100.0 * count.within / std::max(count.all, 1); }
  static void add(Count& count, double predicted, double was) {
    const bool near = std::abs(predicted - was) <= kDifferenceMin;
    count.within += near || (predicted <= 1.5 * was && was <= 1.5 * predicted) ? 1 : 0;
    ++count.all;
  }
  Count stall_;
  Count lost_;
  Count raw_stall_;
  Count raw_lost_;
  Count said_lost_;
};

/// Of one point: what each strategy cost.
class Point {
 public:
  void add(const std::string& strategy, const CostRow& m) {
    stall_[strategy].push_back(m.stall);
    lost_[strategy].push_back(m.lost);
  }
  void print_all(const std::string& name) const {
    for (const auto* strategy : kStrategies) {
      const auto label = fmt::format("{}_{}", name, strategy);
      print({"stall_steps_" + label, "steps", stall_.at(strategy), {}, Better::lower});
      print({"lost_steps_" + label, "steps", lost_.at(strategy), {}, Better::lower});
    }
  }
  [[nodiscard]] double stall(const std::string& strategy) const {
    return median(stall_.at(strategy));
  }
  [[nodiscard]] double lost(const std::string& strategy) const {
    return median(lost_.at(strategy));
  }
  [[nodiscard]] double auto_over_best() const {
    double best = lost("auto");
    for (const auto* strategy : kStrategies) best = std::min(best, lost(strategy));
    return std::max(lost("auto"), kLostMin) / std::max(best, kLostMin);
  }

 private:
  std::map<std::string, std::vector<double>> stall_;
  std::map<std::string, std::vector<double>> lost_;
};

std::string label_of(const Kind& kind, double r) { return fmt::format("{}_r{}", kind.name, r); }

/// Measures what the table lacks. The two hosts are made when they are needed first.
class Measuring {
 public:
  explicit Measuring(const Options& options) : options_(options), table_(options.table) {}

  double step_ms(const Kind& kind) {
    return table_
        .row({.gradients = kind.name, .way = "step"},
             [&](CostRow& row) { row.step_ms = bench().step_ms(kind); })
        .step_ms;
  }
  CostRow move(const Kind& kind, double r, const char* strategy, int repeat, double step_ms) {
    const auto row = table_.row(
        {.gradients = kind.name, .r = r, .way = strategy, .repeat = repeat}, [&](CostRow& m) {
          bench().limit(kind, r, step_ms);
          bench().move(kind, {"--strategy", strategy, "--max-stall", "none", "--timeout", "5m"}, m);
          if (!m.moved) throw std::runtime_error(fmt::format("{} did not move it", strategy));
        });
    return row;
  }
  /// With a limit of three steps.
  CostRow limited_move(const Kind& kind, double r, const char* strategy, int repeat,
                       double step_ms) {
    return table_.row(
        {.gradients = kind.name, .r = r, .way = strategy, .limited = true, .repeat = repeat},
        [&](CostRow& m) {
          bench().limit(kind, r, step_ms);
          bench().move(kind,
                       {"--strategy", strategy, "--max-stall",
                        fmt::format("{:.0f}ms", kLimitSteps * step_ms), "--timeout", "30s"},
                       m);
        });
  }
  double file_copy_steps(const Kind& kind, double r, int repeat, double step_ms) {
    return table_
        .row({.gradients = kind.name, .r = r, .way = "file-copy", .repeat = repeat},
             [&](CostRow& row) {
               bench().limit(kind, r, step_ms);
               row.moved = true;
               row.step_ms = step_ms;
               row.stall = row.lost = bench().file_copy_steps(kind, step_ms);
             })
        .lost;
  }

 private:
  bench::CostBench& bench() {
    if (!bench_) {
      if (const auto missing = NetnsPair::missing()) throw std::runtime_error(*missing);
      bench_ = std::make_unique<bench::CostBench>(options_.model);
    }
    return *bench_;
  }

  const Options options_;
  CostTable table_;
  std::unique_ptr<bench::CostBench> bench_;
};

/// With a limit of three steps: kept, or refused before it cost the job anything.
void measure_limit(Measuring& all, const Kind& kind, double step_ms, const Options& options) {
  const double r = *std::max_element(options.points.begin(), options.points.end());
  for (const auto* strategy : {"replay", "auto"}) {
    Figure kept{
        fmt::format("limit_of_3_kept_pct_{}_{}", label_of(kind, r), strategy), "%", {}, 100};
    Figure stall{fmt::format("limit_of_3_stall_steps_{}_{}", label_of(kind, r), strategy),
                 "steps",
                 {},
                 {},
                 Better::lower};
    for (int i = 0; i < options.repeats; ++i) {
      const auto m = all.limited_move(kind, r, strategy, i, step_ms);
      // The limit was given in ms, and no two moves have steps of one length.
      kept.samples.push_back(m.stall * m.step_ms <= kLimitSteps * step_ms ? 100 : 0);
      stall.samples.push_back(m.stall);
    }
    print(kept);
    print(stall);
  }
}

void measure(const Options& options) {
  Measuring all(options);
  Predictions predictions;
  Figure over_best{"auto_lost_over_best", "ratio", {}, 1.15, Better::lower};
  Figure small_stall{"replay_stall_steps_g_to_0_7", "steps", {}, 0.5, Better::lower};
  Figure small_lost{"replay_lost_steps_g_to_0_7", "steps", {}, 1.5, Better::lower};
  Figure said{"said_stall_over_clock", "ratio", {}};
  Figure said_lost{"said_lost_over_clock", "ratio", {}};
  Figure usual{"lost_steps_without_a_move", "steps", {}};
  std::vector<double> ratios;
  std::vector<double> stalls;
  std::vector<double> losts;
  for (const auto& name : options.gradients) {
    const auto kind = bench::kind_of(name);
    const auto step_ms = all.step_ms(kind);
    for (const double r : options.points) {
      Point point;
      for (int i = 0; i < options.repeats; ++i) {
        for (const auto* strategy : kStrategies) {
          const auto m = all.move(kind, r, strategy, i, step_ms);
          point.add(strategy, m);
          predictions.add(m);
          if (m.said_stall > 0 && m.stall > 0) said.samples.push_back(m.said_stall / m.stall);
          if (m.said_lost <= 0) continue;  // a table of before these were measured
          usual.samples.push_back(m.usual_lost);
          if (m.lost > 0) said_lost.samples.push_back(m.said_lost / m.lost);
        }
      }
      point.print_all(label_of(kind, r));
      if (kind.name == "fp32") {  // the one that the program can save
        Figure file{fmt::format("lost_steps_{}_file-copy", label_of(kind, r)), "steps", {}};
        for (int i = 0; i < options.repeats; ++i) {
          file.samples.push_back(all.file_copy_steps(kind, r, i, step_ms));
        }
        print(file);
      }
      print({"auto_lost_over_best_" + label_of(kind, r),
             "ratio",
             {point.auto_over_best()},
             1.15,
             Better::lower});
      ratios.push_back(point.auto_over_best());
      if (r * kind.gradient_share <= kSmallLog) {
        stalls.push_back(point.stall("replay"));
        losts.push_back(point.lost("replay"));
      }
    }
    if (options.limits) measure_limit(all, kind, step_ms, options);
  }
  // The worst point counts.
  const auto worst = [](const std::vector<double>& all) {
    return std::vector{*std::max_element(all.begin(), all.end())};
  };
  over_best.samples = worst(ratios);
  print(over_best);
  if (!stalls.empty()) {
    small_stall.samples = worst(stalls);
    small_lost.samples = worst(losts);
    print(small_stall);
    print(small_lost);
  }
  predictions.print_all();
  for (const auto* figure : {&said, &said_lost, &usual}) {
    if (!figure->samples.empty()) print(*figure);
  }
}

void run_with(int argc, char** argv) {
  Options options;
  CLI::App app("What a migration costs its job, by strategy and link");
  app.add_option("--points", options.points, "Steps that the state takes the link")
      ->delimiter(',')
      ->check(CLI::Range(0.01, 1000.0));
  app.add_option("--gradients", options.gradients, "fp32, bf16")
      ->delimiter(',')
      ->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--repeats", options.repeats)->check(CLI::Range(1, 100));
  app.add_option("--layers", options.model.layers)->check(CLI::Range(1, 1000));
  app.add_option("--width", options.model.width)->check(CLI::Range(8, 8192));
  app.add_flag("--limits,!--no-limits", options.limits, "With migrations by --max-stall (default)");
  app.add_option("--table", options.table,
                 "File of what was measured: not again what it has, and what is measured is added")
      ->envname("CARDSWAP_COST_TABLE");
  app.add_option("--text", options.model.text)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  measure(options);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("cost", run_with, argc, argv); }
