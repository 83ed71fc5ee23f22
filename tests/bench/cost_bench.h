#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/cost_table.h"
#include "tests/bench/file_copy.h"
#include "tests/bench/two_hosts.h"
#include "tests/support/trainer_times.h"

namespace cardswap::bench {

inline constexpr std::int64_t kStepsAfter = 10;   // as the migration itself has it
inline constexpr std::int64_t kStepsBefore = 12;  // from which its pace is known

/// How a job's weights and gradients are kept, and what that makes of its state.
struct Kind {
  std::string name;
  double bytes_a_parameter = 0;
  double gradient_share = 0;  ///< of the state
};
inline Kind kind_of(const std::string& name) {
  if (name == "fp32") return {name, 12, 1.0 / 3};
  return {name, 14, 1.0 / 7};  // weights in bf16, masters and moments in fp32
}

/// A GPT with AdamW, and the file that it learns.
struct CostModel {
  int layers = 4;
  int width = 160;
  std::string text = {};
};

/// One job that goes to and fro between two hosts, over a link that its state takes for as many of
/// its steps as is asked for.
class CostBench {
 public:
  explicit CostBench(CostModel model) : model_(std::move(model)) {}

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
    if (rate == rate_) return;
    rate_ = rate;
    hosts_.net.limit(fmt::format("{:.0f}kbit", rate * 8 / 1e3));
    fmt::print(stderr, "# {} r {}: {:.0f} MB, step {:.0f} ms, link {:.1f} MB/s\n", kind.name, r,
               state / 1e6, step_ms, rate / 1e6);
  }

  /// What the program's own checkpoint costs it, in its steps; stall and lost are the same.
  double file_copy_steps(const Kind& kind, double step_ms) {
    const auto of = [&](int steps) { return program(kind, steps); };
    return file_copy_ms(hosts_.net, {hosts_.folder(), of}, step_ms) / step_ms;
  }

  /// Moves the job to the host where it is not.
  void move(const Kind& kind, const std::vector<std::string>& more, CostRow& m) {
    have_job(kind);
    auto& from = job_is_at_b_ ? hosts_.b : hosts_.a;
    auto& to = job_is_at_b_ ? hosts_.a : hosts_.b;
    const auto before = from.step_of(job_->name);
    TwoHosts::wait_until("its pace",
                         [&] { return from.step_of(job_->name) >= before + kStepsBefore; });
    std::vector<std::string> ask{"-o", "json", "migrate", job_->name, "--to", to.at("cpu:0")};
    ask.insert(ask.end(), more.begin(), more.end());
    m.moved = from.command(ask).exit_code == 0;
    if (m.moved) job_is_at_b_ = !job_is_at_b_;
    boost::json::object done;
    TwoHosts::wait_until("the steps after it", [&] {
      done = latest_of(from);
      return done.at("lost_is_final").as_bool();
    });
    const auto at = test::begins(job_->times);
    const auto since = test::sync_began_ms(done);
    const auto first = step_at(at, since);
    const auto moved_at = m.moved
                              ? static_cast<std::int64_t>(test::number(done, "migrated_at_step"))
                              : from.step_of(job_->name);
    const auto before_it = std::max<std::int64_t>(first - kStepsBefore, 2);
    m.step_ms = test::median_interval(at, before_it, first);
    const auto late = test::lateness(at, since, moved_at + kStepsAfter, m.step_ms);
    m.stall = late.stall;
    m.lost = late.lost;
    const auto usual = test::lateness(at, at.lower_bound(before_it)->second, first, m.step_ms);
    m.usual_lost = usual.lost * static_cast<double>(moved_at + kStepsAfter - first) /
                   static_cast<double>(std::max<std::int64_t>(first - before_it, 1));
    const auto steps = [&](std::string_view key) { return number_or(done, key, 0) / m.step_ms; };
    m.predicted_stall = steps("predicted_stall_ms");
    m.predicted_lost = steps("predicted_lost_ms");
    m.raw_stall = steps("predicted_stall_raw_ms");
    m.raw_lost = steps("predicted_lost_raw_ms");
    m.said_stall = steps("stall_ms");
    m.said_lost = steps("lost_ms");
    m.strategy = test::text(done.at("progress").as_object(), "strategy");
    fmt::print(stderr,
               "# {:<9} {} step {:.0f} ms: stall {:.2f} steps (predicted {:.2f}, raw {:.2f}), lost "
               "{:.2f} ({:.2f}, {:.2f}), downtime {:.0f} ms, hold {:.0f} ms\n",
               m.strategy, m.moved ? "moved" : "not moved", m.step_ms, m.stall, m.predicted_stall,
               m.raw_stall, m.lost, m.predicted_lost, m.raw_lost, number_or(done, "downtime_ms", 0),
               number_or(done.at("progress").as_object(), "hold_ms", 0));
  }

 private:
  [[nodiscard]] double parameters() const {
    return 12.0 * model_.layers * model_.width * model_.width + 576.0 * model_.width;
  }
  [[nodiscard]] std::vector<std::string> program(const Kind& kind, int steps) const {
    std::vector<std::string> argv{test::trainer("gpt"),
                                  "--layers",
                                  std::to_string(model_.layers),
                                  "--width",
                                  std::to_string(model_.width),
                                  "--text",
                                  model_.text,
                                  "--steps",
                                  std::to_string(steps)};
    if (kind.name == "bf16") argv.emplace_back("--bf16-weights");
    return argv;
  }
  /// One job of each kind, in turn.
  void have_job(const Kind& kind) {
    if (job_ && job_kind_ == kind.name) return;
    if (job_) (void)(job_is_at_b_ ? hosts_.b : hosts_.a).command({"stop", job_->name});
    job_ = hosts_.start(program(kind, 100'000'000), kStepsBefore);
    job_kind_ = kind.name;
    job_is_at_b_ = false;
  }
  static boost::json::object latest_of(const test::Host& host) {
    const auto listed = host.ask({"status"});
    const auto migrations = listed.at("migrations").as_array();
    for (const auto& item : migrations) {
      if (test::text(item.as_object(), "role") == "source") return item.as_object();
    }
    throw std::runtime_error("no migration was started");
  }
  /// The step under way at that time.
  static std::int64_t step_at(const test::Begins& begins, double at_ms) {
    std::int64_t step = 0;
    for (const auto& [number, began_ms] : begins) {
      if (began_ms < at_ms) step = number;
    }
    return step;
  }
  static double number_or(const boost::json::object& from, std::string_view key, double other) {
    const auto* value = from.if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : other;
  }

  const CostModel model_;
  TwoHosts hosts_;
  std::optional<TwoHosts::Job> job_;
  std::string job_kind_;
  bool job_is_at_b_ = false;
  double rate_ = 0;
};

}  // namespace cardswap::bench
