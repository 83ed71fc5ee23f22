// Replay against stop-copy and against a checkpoint file, over one and the same limited link: two
// network namespaces, an agent in each, a GPT with AdamW. All sides in one run, in turns.
//
// The clock is the trainers' own (--times): downtime is from the end of the source's last step to
// the start of the target's first; `interruption` is what the loop lost, the wait before the last
// step included, in which its gradients go out.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <cmath>
#include <map>
#include <stdexcept>
#include <string_view>

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
using test::begins;
using test::median_interval;
using test::NetnsPair;
using test::number;

constexpr const char* kCurveLink = "600mbit";
constexpr double kStateInSteps = 21;  // the whole state on the link, in median steps

struct Options {
  std::string what = "size";
  int repeats = 3;
  int layers = 10;
  int width = 512;
  std::string text;
};

struct Model {
  int layers;
  int width;
  [[nodiscard]] std::vector<std::string> program(const std::string& text, int steps) const {
    return {test::trainer("gpt"),
            "--layers",
            std::to_string(layers),
            "--width",
            std::to_string(width),
            "--heads",
            "8",
            "--context",
            "32",
            "--batch",
            "2",
            "--text",
            text,
            "--steps",
            std::to_string(steps)};
  }
};

struct Moved {
  double step_ms = 0;       ///< before the migration
  double sync_step_ms = 0;  ///< while it synced, the last step excepted
  double downtime_ms = 0;
  double interruption_ms = 0;
  double predicted_ms = 0;  ///< of hold and downtime together
  double hold_ms = 0;
  double state = 0;
  double transferred = 0;
  double log_of_steps = 0;  ///< gradients of every step taken while it synced
  double rate = 0;
  double total_ms = 0;
  std::string strategy;
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {}

  NetnsPair& net() { return hosts_.net; }

  /// A step's length without an agent, and with nothing else going on.
  double step_ms(const Model& model) {
    const auto times = hosts_.fresh("times");
    auto argv = model.program(options_.text, 10);
    argv.insert(argv.begin(), {"env", "OMP_NUM_THREADS=1"});
    argv.insert(argv.end(), {"--times", times.string()});
    expect(test::run(argv), "the trainer");
    return median_interval(begins(times), 2, 9);
  }

  Moved move(const std::vector<std::string>& program, const std::vector<std::string>& arguments) {
    const auto job = hosts_.start(program, 8);
    std::vector<std::string> ask{"migrate",   job.name, "--to", hosts_.b.at("cpu:0"),
                                 "--timeout", "5m"};
    ask.insert(ask.end(), arguments.begin(), arguments.end());
    const auto done = hosts_.a.ask(ask);
    const auto& progress = done.at("progress").as_object();
    const auto moved_at = static_cast<std::int64_t>(number(done, "migrated_at_step"));
    bench::TwoHosts::wait_until("the target's first steps",
                                [&] { return begins(job.times).rbegin()->first > moved_at + 1; });
    (void)hosts_.b.ask({"stop", job.name});
    const auto at = begins(job.times);
    Moved m;
    m.step_ms = median_interval(at, 2, std::max<std::int64_t>(job.steps, 4));
    m.sync_step_ms =
        job.steps + 1 < moved_at - 1 ? median_interval(at, job.steps + 1, moved_at - 1) : 0;
    m.downtime_ms = number(done, "downtime_ms");
    m.interruption_ms = at.at(moved_at) - at.at(moved_at - 1) - m.step_ms;
    m.predicted_ms = number(done, "predicted_downtime_ms");
    m.hold_ms = number(progress, "hold_ms");
    m.state = number(progress, "total");
    m.transferred = number(progress, "transferred");
    m.log_of_steps = number(progress, "log_entries") * m.state / 3;
    m.rate = number(progress, "rate");
    m.total_ms = number(progress, "total_time_ms");
    m.strategy = test::text(progress, "strategy");
    fmt::print(stderr,
               "# {:<9} step {:.0f} ms, while syncing {:.0f}; downtime {:.1f} ms, held {:.0f}, "
               "interruption {:.0f}, predicted {:.0f}; {:.0f} of {:.0f} MB, {:.1f} s\n",
               m.strategy, m.step_ms, m.sync_step_ms, m.downtime_ms, m.hold_ms, m.interruption_ms,
               m.predicted_ms, m.transferred / 1e6, m.state / 1e6, m.total_ms / 1e3);
    return m;
  }

  double file_copy_ms(const Model& model, double step_ms) {
    const auto program = [&](int steps) { return model.program(options_.text, steps); };
    return bench::file_copy_ms(hosts_.net, {hosts_.folder(), program}, step_ms);
  }

 private:
  static void expect(const test::Outcome& outcome, const std::string& what) {
    if (outcome.exit_code != 0) throw std::runtime_error(what + " failed: " + outcome.err);
  }

  const Options options_;
  bench::TwoHosts hosts_;
};

std::string mbit(double bytes_per_s) { return fmt::format("{:.0f}mbit", bytes_per_s * 8 / 1e6); }

/// One model and its double, with the same gradient-to-link ratio.
void measure_sizes(const Options& options) {
  const Model small{options.layers, options.width};
  const Model large{2 * options.layers, options.width};
  Figure downtime{"replay_downtime_steps", "steps", {}, 1, Better::lower};
  Figure interruption{"replay_interruption_steps", "steps", {}, {}, Better::lower};
  Figure over_stop{"replay_over_stopcopy", "ratio", {}, 0.1, Better::lower};
  Figure file{"filecopy_over_replay", "ratio", {}, 20};
  Figure file_interruption{"filecopy_over_replay_interruption", "ratio", {}};
  Figure bytes{"replay_bytes_over_floor", "ratio", {}, 1.1, Better::lower};
  Figure scaling{"replay_size_scaling", "logs", {}, 1.2, Better::lower};
  std::map<std::string, Figure> absolute;
  const auto note = [&](const std::string& name, double value) {
    absolute.try_emplace(name, Figure{name, "ms", {}}).first->second.samples.push_back(value);
  };
  Bench bench(options);
  std::vector<double> small_downtimes;
  for (const auto* model : {&small, &large}) {
    const std::string size = model == &small ? "" : "_2x";
    bench.net().limit("10gbit");
    const auto step = bench.step_ms(*model);
    const double parameters = 12.0 * model->layers * model->width * model->width;
    const double rate = 12 * parameters / (kStateInSteps * step / 1e3);
    bench.net().limit(mbit(rate));
    fmt::print(stderr, "# {:.0f} M parameters, step {:.0f} ms, link {}\n", parameters / 1e6, step,
               mbit(rate));
    for (int i = 0; i < options.repeats; ++i) {
      const auto program = model->program(options.text, 100000);
      const auto replay = bench.move(program, {"--strategy", "replay", "--max-downtime", "none"});
      const auto stop = bench.move(program, {"--strategy", "stop-copy", "--max-downtime", "none"});
      const auto copied = bench.file_copy_ms(*model, step);
      note("replay_downtime_ms" + size, replay.downtime_ms);
      note("stopcopy_downtime_ms" + size, stop.downtime_ms);
      note("filecopy_downtime_ms" + size, copied);
      note("state_bytes" + size, replay.state);
      if (model == &small) {
        downtime.samples.push_back(replay.downtime_ms / replay.step_ms);
        interruption.samples.push_back(replay.interruption_ms / replay.step_ms);
        over_stop.samples.push_back(replay.downtime_ms / stop.downtime_ms);
        file.samples.push_back(copied / replay.downtime_ms);
        file_interruption.samples.push_back(copied / replay.interruption_ms);
        bytes.samples.push_back(replay.transferred / (replay.state + replay.log_of_steps));
        small_downtimes.push_back(replay.downtime_ms);
      } else {
        const auto log_ms = replay.state / 3 / rate * 1e3;
        scaling.samples.push_back((replay.downtime_ms - median(small_downtimes)) / log_ms);
      }
    }
  }
  absolute.at("state_bytes").unit = absolute.at("state_bytes_2x").unit = "B";
  for (const auto& figure :
       {downtime, over_stop, scaling, file, bytes, interruption, file_interruption}) {
    print(figure);
  }
  for (const auto& [name, figure] : absolute) print(figure);
}

/// Steps while it syncs against before, over a link that carries the log.
void measure_slowdown(const Options& options) {
  const Model model{options.layers, options.width};
  Figure slowdown{"replay_slowdown_pct", "%", {}, 10, Better::lower};
  Bench bench(options);
  bench.net().limit("10gbit");
  const auto step = bench.step_ms(model);
  const double gradients = 4.0 * 12.0 * model.layers * model.width * model.width;
  bench.net().limit(mbit(gradients / (0.5 * step / 1e3)));
  for (int i = 0; i < options.repeats; ++i) {
    const auto m = bench.move(model.program(options.text, 100000),
                              {"--strategy", "replay", "--max-downtime", "none"});
    slowdown.samples.push_back(100 * (m.sync_step_ms / m.step_ms - 1));
  }
  print(slowdown);
}

/// Forty-five migrations of different models over different links.
void measure_prediction(const Options& options) {
  const std::vector<std::vector<std::string>> programs{
      Model{2, 128}.program(options.text, 1000000),
      Model{4, 256}.program(options.text, 1000000),
      {test::trainer("lora"), "--steps", "1000000", "--width", "1024"},
      {test::trainer("lstm"), "--steps", "1000000", "--width", "384"},
      {test::trainer("cnn"), "--steps", "1000000", "--width", "128"}};
  Figure ratio{"prediction_over_measured", "ratio", {}};
  Figure automatic{"auto_over_stopcopy_total", "ratio", {}, 1.1, Better::lower};
  Bench bench(options);
  int within = 0;
  for (const auto* link : {"100mbit", "400mbit", "4gbit"}) {
    bench.net().limit(link);
    for (const auto& program : programs) {
      double stop_ms = 0;
      for (const auto* strategy : {"replay", "stop-copy", "auto"}) {
        const auto m = bench.move(program, {"--strategy", strategy, "--max-downtime", "none"});
        if (strategy == std::string_view("stop-copy")) stop_ms = m.total_ms;
        if (strategy == std::string_view("auto")) automatic.samples.push_back(m.total_ms / stop_ms);
        const auto r = m.predicted_ms / (m.hold_ms + m.downtime_ms);
        ratio.samples.push_back(r);
        within += r <= 1.5 && r >= 1 / 1.5 ? 1 : 0;
      }
    }
  }
  Figure share{"prediction_within_1_5x_pct", "%", {}, 90};
  share.samples.push_back(100.0 * within / static_cast<double>(ratio.samples.size()));
  print(share);
  print(automatic);
  print(ratio);
}

/// Models of growing size over one link: what the picture in docs/ shows.
void measure_curve(const Options& options) {
  Bench bench(options);
  std::vector<Figure> figures;
  for (const int layers : {1, 2, 5, 10, 20}) {
    const Model model{layers, options.width};
    bench.net().limit("10gbit");
    const auto step = bench.step_ms(model);
    bench.net().limit(kCurveLink);
    std::map<std::string, Figure> of_size;
    double state = 0;
    const auto note = [&](const std::string& name, double value) {
      of_size.try_emplace(name, Figure{name, "ms", {}}).first->second.samples.push_back(value);
    };
    for (int i = 0; i < options.repeats; ++i) {
      for (const auto* strategy : {"replay", "rounds", "stop-copy"}) {
        const auto m = bench.move(model.program(options.text, 100000),
                                  {"--strategy", strategy, "--max-downtime", "none"});
        note(fmt::format("{}_downtime_ms", strategy), m.downtime_ms);
        note(fmt::format("{}_interruption_ms", strategy), m.interruption_ms);
        state = m.state;
      }
      note("file-copy_interruption_ms", bench.file_copy_ms(model, step));
    }
    for (auto& [name, figure] : of_size) {
      figure.name += fmt::format("_{:.0f}mb", state / 1e6);
      figures.push_back(figure);
    }
  }
  for (const auto& figure : figures) print(figure);
}

void measure(int argc, char** argv) {
  Options options;
  CLI::App app("Replay over a limited link");
  app.add_option("what", options.what)
      ->check(CLI::IsMember({"size", "slowdown", "prediction", "curve"}));
  app.add_option("--repeats", options.repeats)->check(CLI::Range(1, 100));
  app.add_option("--layers", options.layers)->check(CLI::Range(1, 1000));
  app.add_option("--width", options.width)->check(CLI::Range(8, 8192));
  app.add_option("--text", options.text)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (const auto missing = NetnsPair::missing()) throw std::runtime_error(*missing);
  if (options.what == "size") measure_sizes(options);
  if (options.what == "slowdown") measure_slowdown(options);
  if (options.what == "prediction") measure_prediction(options);
  if (options.what == "curve") measure_curve(options);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("replay", measure, argc, argv); }
