#pragma once

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/hosts.h"
#include "tests/support/leftovers.h"
#include "tests/support/needs.h"
#include "tests/support/sanitizer.h"

namespace cardswap::test {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers)

inline constexpr const char* kGpuOfA = "GPU-00000000-0000-0000-0000-000000000007";
inline constexpr const char* kGpuOfB = "GPU-09000000-0000-0000-0000-000000000000";
// As the stand-in numbers them.
inline constexpr const char* kLocked = "state 1";
inline constexpr const char* kCheckpointed = "state 2";

/// A host with one GPU, and the scripts of the libraries that its agent loads.
class GpuHost {
 public:
  GpuHost(const std::filesystem::path& dir, const std::string& name, const std::string& gpu,
          const std::string& model = "X1", const std::string& libcuda = STAND_IN_LIBCUDA)
      : cuda_(dir / (name + ".cuda")) {
    std::ofstream(dir / (name + ".nvml"))
        << "devices 1\nuuid 0 " << gpu << "\nname 0 " << model << "\n";
    script("version 13000");
    HostOptions options;
    options.name = name;
    options.devices = {"cuda:0"};
    options.more = {"--nvml", STAND_IN_NVML_LIBRARY, "--libcuda", libcuda};
    options.env = {"STAND_IN_NVML=" + (dir / (name + ".nvml")).string(),
                   "STAND_IN_CUDA=" + cuda_.string()};
    host_ = std::make_unique<Host>(dir / name, std::move(options));
  }
  Host* operator->() const { return host_.get(); }
  Host& operator*() const { return *host_; }

  void script(const std::string& line) const {
    std::ofstream(cuda_, std::ios::app) << line << "\n";
  }
  /// Calls that changed the state of a process.
  [[nodiscard]] std::vector<std::string> calls() const {
    std::istringstream file(read_file(cuda_.string()));
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("called ")) all.push_back(line.substr(7));
    }
    return all;
  }

 private:
  std::filesystem::path cuda_;
  std::unique_ptr<Host> host_;
};

/// A job whose processes have CUDA state, on one host of two; the other one is made when it is
/// asked for.
class MovedCudaProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kPatience > 1)
      return skip_without("unsanitized", "a sanitizer's shadow memory is no part of an image");
    a = std::make_unique<GpuHost>(dir.path(), "a", kGpuOfA);
    const auto tool = (*a)->ask({"devices"}).at("criu").as_object();
    if (const auto why = text(tool, "problem"); !why.empty()) {
      return skip_without("criu", std::string("CRIU cannot move processes here: ") + why);
    }
  }
  /// A host that finds the state in a process that was restored there as it was dumped.
  void make_b(const std::string& gpu = kGpuOfB, const std::string& model = "X1",
              const std::string& libcuda = STAND_IN_LIBCUDA) {
    b.reset();
    b = std::make_unique<GpuHost>(dir.path(), "b", gpu, model, libcuda);
    b->script(kCheckpointed);
  }
  static std::vector<std::string> program(const std::string& steps) {
    return {trainer("plain_memory"),
            "--arena",
            "--steps",
            steps,
            "--bytes",
            "2000000",
            "--step-ms",
            "5"};
  }
  void start(const std::string& steps) {
    steps_ = steps;
    auto argv = program(steps);
    argv.insert(argv.end(), {"--loss-log", (dir.path() / "losses").string()});
    (*a)->run_job("job", argv, "cuda:0");
    ASSERT_TRUE(within(20s, [&] { return (*a)->step_of("job") >= 3; })) << (*a)->log();
  }
  [[nodiscard]] Outcome move(const GpuHost& from, const GpuHost& to,
                             const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words{
        "-o",       "json", "migrate",        "job", "--to", to->at("cuda:0"),
        "--arrive", "criu", "--max-downtime", "none"};
    words.insert(words.end(), more.begin(), more.end());
    return from->command(words);
  }
  static boost::json::object parsed(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return boost::json::parse(outcome.out).as_object();
  }
  /// Held there; the migration's id.
  [[nodiscard]] std::string held_at(const std::string& phase) const {
    const auto id = text(parsed(move(*a, *b, {"--hold-at", phase, "--detach"})), "id");
    EXPECT_TRUE(within(20s, [&] {
      return (*a)->ask({"status", id}).at("held").as_bool();
    })) << (*a)->log();
    return id;
  }
  void expect_aborted(const std::string& id) const {
    EXPECT_TRUE(within(20s, [&] {
      return text((*a)->ask({"status", id}), "state") == "aborted";
    })) << (*a)->log();
  }
  void expect_undisturbed_end(const GpuHost& where) const {
    ASSERT_TRUE(where->ended_within("job", 60s)) << where->log();
    EXPECT_EQ(text(where->job("job"), "state"), "ended") << where->log();
    EXPECT_EQ(losses(dir.path() / "losses"), undisturbed(program(steps_)));
  }
  /// The restored process, once it has its state back and the holder's place.
  [[nodiscard]] pid_t copy_at_b() const {
    pid_t copy = 0;
    EXPECT_TRUE(within(10s, [&] {
      copy = static_cast<pid_t>(number((*b)->job("job"), "pid"));
      return read_file("/proc/" + std::to_string(copy) + "/comm") == "plain_memory\n";
    })) << logs();
    return copy;
  }
  [[nodiscard]] std::string logs() const { return (*a)->log() + (*b)->log(); }

  TempDir dir;
  NothingOutlives guard{dir.path()};
  std::unique_ptr<GpuHost> a;
  std::unique_ptr<GpuHost> b;
  std::string steps_;
};

}  // namespace cardswap::test
