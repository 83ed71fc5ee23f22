#pragma once

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/hosts.h"
#include "tests/support/http.h"
#include "tests/support/trainer_times.h"

namespace cardswap::bench {

/// The options of the command line.
struct SnapshotOptions {
  std::vector<std::string> parts{"stall", "slowdown", "bytes", "lora", "store", "recover", "peers"};
  int pairs = 2;
  int repeats = 5;
  int layers = 8;
  int width = 256;  // with eight layers, 74 MiB
  std::string text;
  std::string python;
  std::string peers;
  [[nodiscard]] bool has(const char* part) const {
    return std::ranges::find(parts, part) != parts.end();
  }
};

inline double ms_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun)
      .count();
}
inline double now_ms() { return ms_since(std::chrono::steady_clock::time_point()); }

inline void wait_until(const std::string& what, const std::function<bool()>& condition) {
  if (!test::within(std::chrono::seconds(120), condition)) throw std::runtime_error("no " + what);
}

inline std::uint64_t bytes_below(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

/// An agent, and one job that it runs.
class SnapshotBench {
 public:
  explicit SnapshotBench(SnapshotOptions options) : options_(std::move(options)) {}

  [[nodiscard]] const SnapshotOptions& options() const { return options_; }
  [[nodiscard]] std::vector<std::string> gpt() const {
    return {test::trainer("gpt"),
            "--layers",
            std::to_string(options_.layers),
            "--width",
            std::to_string(options_.width),
            "--text",
            options_.text};
  }
  [[nodiscard]] std::filesystem::path folder(const std::string& name) const {
    return dir_.path() / name;
  }
  [[nodiscard]] std::string store(const std::string& name) const {
    return "file:" + folder(name).string();
  }

  /// How long its first step took, from the command on.
  double start(const std::string& name, const std::vector<std::string>& program) {
    job_ = name;
    times_ = folder(name + ".times");
    const auto began = now_ms();
    host_.run_job(name, with_times(program));
    wait_until("first step", [&] { return begins().contains(1); });
    const auto took = begins().at(1) - began;
    wait_until("first steps", [&] { return last_step() >= 4; });
    return took;
  }
  void stop() { (void)host_.command({"stop", job_}); }

  [[nodiscard]] test::Begins begins() const { return test::begins(times_); }
  [[nodiscard]] std::int64_t last_step() const {
    const auto all = begins();
    return all.empty() ? 0 : all.rbegin()->first;
  }
  /// Milliseconds of each of the next steps.
  std::vector<double> steps(std::int64_t count) {
    const auto first = last_step() + 1;
    wait_until("steps", [&] { return last_step() >= first + count; });
    const auto at = begins();
    std::vector<double> times;
    for (auto step = first; step < first + count; ++step) {
      times.push_back(at.at(step + 1) - at.at(step));
    }
    return times;
  }
  void protect(const std::string& every, const std::string& to) {
    (void)host_.ask({"protect", job_, "--every", every, "--to", store(to), "--keep", "last=2"});
  }
  void end_protection() {
    (void)host_.ask({"protect", job_, "--every", "off"});
    wait_until("end of the last snapshot", [&] { return host_.leftovers().empty(); });
  }
  boost::json::object snapshot(const std::string& to) {
    return host_.ask({"snapshot", job_, "--to", store(to)});
  }
  /// The steps of all snapshots that were taken, the last ones first.
  [[nodiscard]] std::vector<std::int64_t> snapshot_steps() const {
    std::vector<std::int64_t> steps;
    const auto answer = host_.ask({"status"});
    for (const auto& item : answer.at("migrations").as_array()) {
      const auto& one = item.as_object();
      if (test::text(one, "result") == "stored") {
        steps.push_back(static_cast<std::int64_t>(test::number(one, "migrated_at_step")));
      }
    }
    return steps;
  }

  /// Kills the trainer; how long until its first new step is done.
  double recover(const std::string& from, const std::vector<std::string>& program) {
    const auto pid = static_cast<int>(test::number(record(), "pid"));
    const auto killed = now_ms();
    if (::kill(pid, SIGKILL) != 0) throw std::runtime_error("the trainer is not there");
    wait_until("end of the trainer", [&] { return test::text(record(), "state") == "failed"; });
    std::vector<std::string> ask{"run",      "--name", job_,      "--env",     "OMP_NUM_THREADS=1",
                                 "--resume", "latest", "--store", store(from), "--"};
    const auto argv = with_times(program);
    ask.insert(ask.end(), argv.begin(), argv.end());
    const auto back = host_.ask(ask);
    const auto step = static_cast<std::int64_t>(test::number(back, "migrated_at_step"));
    double at = 0;
    wait_until("a new step", [&] {
      const auto all = begins();
      const auto found = all.find(step + 1);
      if (found == all.end() || found->second < killed) return false;
      at = found->second;
      return true;
    });
    return at - killed;
  }

 private:
  [[nodiscard]] boost::json::object record() const {
    return test::ask_over_unix(host_, {.target = "/v1/jobs/" + job_}).body;
  }
  [[nodiscard]] std::vector<std::string> with_times(std::vector<std::string> program) const {
    program.insert(program.end(),
                   {"--steps", "100000000", "--times", times_.string(), "--loss-log", "/dev/null"});
    return program;
  }

  const SnapshotOptions options_;
  const test::TempDir dir_;
  std::string job_;
  std::filesystem::path times_;
  test::Host host_{dir_.path() / "a", {.name = "a"}};
};

}  // namespace cardswap::bench
