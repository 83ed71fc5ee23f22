#pragma once

// What the example trainers share: their options, and a log of losses that can be compared bit for
// bit. A loss is logged before the step's boundary, so each step is logged by the process that
// computed it.

#include <cardswap/session.h>

#include <chrono>
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

/// The options of an example's command line.
struct TrainerOptions {
  std::uint64_t steps = 100;
  std::uint64_t seed = 1;
  int threads = 1;
  std::string loss_log = "-";
  std::string times;

  void add_to(CLI::App& app) {
    app.add_option("--steps", steps, "Steps to train");
    app.add_option("--seed", seed, "Seed of weights and data");
    app.add_option("--threads", threads, "Threads that compute");
    app.add_option("--loss-log", loss_log, "File to append losses to; - is stdout");
    app.add_option("--times", times, "File to append the clock at each step's start to");
  }
};

/// Runs a program and returns its exit status. Prints an exception, such as open() and track()
/// throw.
inline int guarded(int (*train)(int, char**), int argc, char** argv) {
  try {
    return train(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

/// The log of losses, and, if requested, of the times of steps.
class LossLog {
 public:
  LossLog(const TrainerOptions& options, cardswap::Session& session) : session_(session) {
    if (options.loss_log != "-") file_ = open(options.loss_log);
    if (!options.times.empty()) times_ = open(options.times);
  }

  /// Logs a step's start: CLOCK_MONOTONIC in ns, which all processes of a machine share.
  void begin(std::uint64_t step) {
    if (!times_ || session_.is_standby()) return;
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::fprintf(times_.get(), "begin %llu %lld\n", static_cast<unsigned long long>(step),
                 static_cast<long long>(now));
    std::fflush(times_.get());
  }

  /// Logs a loss in hexadecimal floating point: equal text is equal bits. A standby's warm-up step
  /// is not logged. The loss is also noted for snapshots.
  void write(std::uint64_t step, double loss) {
    session_.note("loss", loss);
    if (session_.is_standby()) return;
    std::fprintf(out(), "step %llu loss %a\n", static_cast<unsigned long long>(step), loss);
    std::fflush(out());
  }
  int finished() {
    if (session_.is_standby()) return 0;  // it rehearsed the last step
    std::fprintf(out(), "digest %s\n", session_.state_digest().c_str());
    std::fflush(out());
    return 0;
  }
  int moved() {
    std::fprintf(out(), "moved at step %llu\n", static_cast<unsigned long long>(session_.steps()));
    std::fflush(out());
    return 0;
  }

 private:
  /// Closes the file.
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Close>;
  static File open(const std::string& path) {
    File file(std::fopen(path.c_str(), "a"));
    if (!file) throw std::runtime_error("cannot open " + path);
    return file;
  }
  std::FILE* out() { return file_ ? file_.get() : stdout; }

  cardswap::Session& session_;
  File file_;
  File times_;
};
