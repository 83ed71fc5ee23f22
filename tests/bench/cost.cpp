// What moving a job costs the job: by strategy, and by how long its state and its gradients take
// the link. Two network namespaces, an agent in each, a GPT with AdamW. All sides in one run, in
// turns.
//
// The clock is the trainers' own (--times): stall is the longest that one step came late, lost is
// all lateness, from when the state begins to go over until the job has its old pace, both in its
// own steps. The start of the standby is not in it: two hosts do not share one machine.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/figure.h"
#include "tests/bench/file_copy.h"
#include "tests/bench/two_hosts.h"
#include "tests/support/trainer_times.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::Better;
using bench::Figure;
using bench::median;
using bench::print;
using test::NetnsPair;
using test::number;

/// Less is not to be told from what a busy moment of the machine costs.
constexpr double kLeastLost = 0.5;        // steps
constexpr double kLeastDifference = 0.1;  // steps, of a prediction
constexpr double kSmallLog = 0.7;         // of a step, that gradients take the link
constexpr double kLimitSteps = 3;
constexpr std::array kStrategies{"stop-copy", "rounds", "replay", "auto"};
constexpr std::int64_t kStepsAfter = 3;

struct Options {
  std::vector<double> points{0.5, 2, 6, 20};
  std::vector<std::string> gradients{"fp32", "bf16"};
  int repeats = 5;
  int layers = 4;
  int width = 256;
  bool limits = true;
  std::string text;
};

/// How a job's weights and gradients are kept, and what that makes of its state.
struct Kind {
  std::string name;
  double bytes_a_parameter = 0;
  double gradient_share = 0;  ///< of the state
};
Kind kind_of(const std::string& name) {
  if (name == "fp32") return {name, 12, 1.0 / 3};
  return {name, 14, 1.0 / 7};  // weights in bf16, masters and moments in fp32
}

struct Moved {
  double stall = 0;  ///< steps
  double lost = 0;
  double stall_ms = 0;
  double lost_ms = 0;
  double predicted_stall_ms = 0;
  double predicted_lost_ms = 0;
  std::optional<double> said_stall_ms = std::nullopt;  ///< by the migration itself
  bool moved = false;
  std::string strategy;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {}

  /// A step's length without an agent, and with nothing else going on.
  double step_ms(const Kind& kind) {
    const auto times = hosts_.fresh("times");
    auto argv = program(kind, 14);
    argv.insert(argv.begin(), {"env", "OMP_NUM_THREADS=1"});
    argv.insert(argv.end(), {"--times", times.string(), "--loss-log", "/dev/null"});
    const auto outcome = test::run(argv);
    if (outcome.exit_code != 0) throw std::runtime_error("the trainer failed: " + outcome.err);
    return test::median_interval(test::begins(times), 2, 13);
  }

  /// The state takes the link `r` steps.
  void limit(const Kind& kind, double r, double step_ms) {
    const double state = kind.bytes_a_parameter * parameters();
    const double rate = state / (r * step_ms / 1e3);
    hosts_.net.limit(fmt::format("{:.0f}kbit", rate * 8 / 1e3));
    fmt::print(stderr, "# {} r {}: {:.0f} MB, step {:.0f} ms, link {:.1f} MB/s\n", kind.name, r,
               state / 1e6, step_ms, rate / 1e6);
  }

  /// What the program's own checkpoint costs it, in its steps; stall and lost are the same.
  double file_copy_steps(const Kind& kind, double step_ms) {
    const auto of = [&](int steps) { return program(kind, steps); };
    return bench::file_copy_ms(hosts_.net, {hosts_.folder(), of}, step_ms) / step_ms;
  }

  Moved move(const Kind& kind, const std::vector<std::string>& more) {
    const auto job = hosts_.start(program(kind, 1'000'000), 10);
    std::vector<std::string> ask{"-o", "json", "migrate", job.name, "--to", hosts_.b.at("cpu:0")};
    ask.insert(ask.end(), more.begin(), more.end());
    const auto outcome = hosts_.a.command(ask);
    const auto done = latest();
    Moved m;
    m.moved = outcome.exit_code == 0;
    const auto moved_at = m.moved ? static_cast<std::int64_t>(number(done, "migrated_at_step"))
                                  : hosts_.a.step_of(job.name);
    bench::TwoHosts::wait_until("the steps after it", [&] {
      const auto at = test::begins(job.times);
      return !at.empty() && at.rbegin()->first >= moved_at + kStepsAfter;
    });
    (void)(m.moved ? hosts_.b : hosts_.a).command({"stop", job.name});
    const auto at = test::begins(job.times);
    const double step = test::median_interval(at, 2, std::max<std::int64_t>(job.steps, 4));
    const auto late = test::lateness(at, test::sync_began_ms(done), moved_at + kStepsAfter, step);
    m.stall = late.stall;
    m.lost = late.lost;
    m.stall_ms = late.stall * step;
    m.lost_ms = late.lost * step;
    m.predicted_stall_ms = number_or(done, "predicted_stall_ms", 0);
    m.predicted_lost_ms = number_or(done, "predicted_lost_ms", 0);
    if (done.contains("stall_ms")) m.said_stall_ms = number_or(done, "stall_ms", 0);
    m.strategy = test::text(done.at("progress").as_object(), "strategy");
    fmt::print(stderr,
               "# {:<9} {} step {:.0f} ms: stall {:.2f} steps (predicted {:.2f}), lost {:.2f} "
               "({:.2f}), downtime {:.0f} ms\n",
               m.strategy, m.moved ? "moved" : "not moved", step, m.stall,
               m.predicted_stall_ms / step, m.lost, m.predicted_lost_ms / step,
               number_or(done, "downtime_ms", 0));
    return m;
  }

 private:
  [[nodiscard]] double parameters() const {
    return 12.0 * options_.layers * options_.width * options_.width + 576.0 * options_.width;
  }
  [[nodiscard]] std::vector<std::string> program(const Kind& kind, int steps) const {
    std::vector<std::string> argv{test::trainer("gpt"),
                                  "--layers",
                                  std::to_string(options_.layers),
                                  "--width",
                                  std::to_string(options_.width),
                                  "--text",
                                  options_.text,
                                  "--steps",
                                  std::to_string(steps)};
    if (kind.name == "bf16") argv.emplace_back("--bf16-weights");
    return argv;
  }
  [[nodiscard]] boost::json::object latest() const {
    const auto listed = hosts_.a.ask({"status"});
    const auto migrations = listed.at("migrations").as_array();
    if (migrations.empty()) throw std::runtime_error("no migration was started");
    return migrations.front().as_object();
  }
  static double number_or(const boost::json::object& from, std::string_view key, double other) {
    const auto* value = from.if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : other;
  }

  const Options options_;
  bench::TwoHosts hosts_;
};

/// What was predicted against what it was.
class Predictions {
 public:
  void add(const Moved& m) {
    const double step_ms = m.lost > 0 ? m.lost_ms / m.lost : 0;
    add(stall_, m.predicted_stall_ms, m.stall_ms, step_ms);
    add(lost_, m.predicted_lost_ms, m.lost_ms, step_ms);
  }
  void print_all() {
    print({"stall_predicted_within_1_5x_pct", "%", {share(stall_)}, 90});
    print({"lost_predicted_within_1_5x_pct", "%", {share(lost_)}, 90});
  }

 private:
  struct Count {
    int within = 0;
    int all = 0;
  };
  static double share(const Count& count) { return 100.0 * count.within / std::max(count.all, 1); }
  static void add(Count& count, double predicted, double was, double step_ms) {
    const bool near = std::abs(predicted - was) <= kLeastDifference * step_ms;
    count.within += near || (predicted <= 1.5 * was && was <= 1.5 * predicted) ? 1 : 0;
    ++count.all;
  }
  Count stall_;
  Count lost_;
};

/// Of one point: what each strategy cost.
class Point {
 public:
  void add(const std::string& strategy, const Moved& m) {
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
    return std::max(lost("auto"), kLeastLost) / std::max(best, kLeastLost);
  }

 private:
  std::map<std::string, std::vector<double>> stall_;
  std::map<std::string, std::vector<double>> lost_;
};

std::string label_of(const Kind& kind, double r) { return fmt::format("{}_r{}", kind.name, r); }

/// With a limit of three steps: kept, or refused before it cost the job anything.
void measure_limit(Bench& bench, const Kind& kind, double step_ms, const Options& options) {
  const double r = *std::max_element(options.points.begin(), options.points.end());
  bench.limit(kind, r, step_ms);
  for (const auto* strategy : {"replay", "auto"}) {
    Figure kept{
        fmt::format("limit_of_3_kept_pct_{}_{}", label_of(kind, r), strategy), "%", {}, 100};
    Figure stall{fmt::format("limit_of_3_stall_steps_{}_{}", label_of(kind, r), strategy),
                 "steps",
                 {},
                 {},
                 Better::lower};
    for (int i = 0; i < options.repeats; ++i) {
      const auto m =
          bench.move(kind, {"--strategy", strategy, "--max-stall",
                            fmt::format("{:.0f}ms", kLimitSteps * step_ms), "--timeout", "30s"});
      kept.samples.push_back(m.stall <= kLimitSteps ? 100 : 0);
      stall.samples.push_back(m.stall);
    }
    print(kept);
    print(stall);
  }
}

void measure(const Options& options) {
  Bench bench(options);
  Predictions predictions;
  Figure over_best{"auto_lost_over_best", "ratio", {}, 1.15, Better::lower};
  Figure small_stall{"replay_stall_steps_g_to_0_7", "steps", {}, 0.5, Better::lower};
  Figure small_lost{"replay_lost_steps_g_to_0_7", "steps", {}, 1.5, Better::lower};
  Figure said{"said_stall_over_clock", "ratio", {}};
  std::vector<double> ratios;
  std::vector<double> stalls;
  std::vector<double> losts;
  for (const auto& name : options.gradients) {
    const auto kind = kind_of(name);
    const auto step_ms = bench.step_ms(kind);
    for (const double r : options.points) {
      bench.limit(kind, r, step_ms);
      Point point;
      for (int i = 0; i < options.repeats; ++i) {
        for (const auto* strategy : kStrategies) {
          const auto m =
              bench.move(kind, {"--strategy", strategy, "--max-stall", "none", "--timeout", "5m"});
          if (!m.moved) throw std::runtime_error(fmt::format("{} did not move it", strategy));
          point.add(strategy, m);
          predictions.add(m);
          if (m.said_stall_ms) said.samples.push_back(*m.said_stall_ms / std::max(m.stall_ms, 1.0));
        }
      }
      point.print_all(label_of(kind, r));
      if (kind.name == "fp32") {  // the one that the program can save
        Figure file{fmt::format("lost_steps_{}_file-copy", label_of(kind, r)), "steps", {}};
        for (int i = 0; i < options.repeats; ++i) {
          file.samples.push_back(bench.file_copy_steps(kind, step_ms));
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
    if (options.limits) measure_limit(bench, kind, step_ms, options);
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
  if (!said.samples.empty()) print(said);
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
  app.add_option("--layers", options.layers)->check(CLI::Range(1, 1000));
  app.add_option("--width", options.width)->check(CLI::Range(8, 8192));
  app.add_flag("--limits,!--no-limits", options.limits, "With migrations by --max-stall (default)");
  app.add_option("--text", options.text)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (const auto missing = NetnsPair::missing()) throw std::runtime_error(*missing);
  measure(options);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("cost", run_with, argc, argv); }
