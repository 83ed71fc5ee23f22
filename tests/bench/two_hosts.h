#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::bench {

/// Two network namespaces with an agent in each and one link between them, and a folder for what
/// trainers write. Throws if a part fails.
class TwoHosts {
 public:
  TwoHosts() : a(dir_.path() / "a", options(0, "a")), b(dir_.path() / "b", options(1, "b")) {}

  /// A trainer that was started as a job on `a`, and has taken its first steps.
  struct Job {
    std::string name;
    std::filesystem::path times;  ///< its --times
    std::int64_t steps = 0;
  };
  [[nodiscard]] Job start(std::vector<std::string> program, std::int64_t first_steps) {
    Job job{fmt::format("job{}", ++jobs_), fresh("times"), 0};
    program.insert(program.end(), {"--times", job.times.string(), "--loss-log", "/dev/null"});
    a.run_job(job.name, program);
    wait_until("the first steps", [&] { return a.step_of(job.name) >= first_steps; });
    job.steps = a.step_of(job.name);
    return job;
  }
  [[nodiscard]] std::filesystem::path fresh(const std::string& name) {
    return dir_.path() / fmt::format("{}{}", name, ++files_);
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return dir_.path(); }

  template <class Condition>
  static void wait_until(const char* what, Condition condition) {
    if (!test::within(std::chrono::seconds(60), condition)) {
      throw std::runtime_error(fmt::format("no {}", what));
    }
  }

 private:
  test::HostOptions options(int side, const std::string& name) const {
    return {.name = name,
            .netns = net.name(side),
            .address = test::NetnsPair::address(side),
            .transports = "tcp"};
  }

  const test::TempDir dir_;
  int jobs_ = 0;
  int files_ = 0;

 public:
  test::NetnsPair net;
  test::Host a;
  test::Host b;
};

}  // namespace cardswap::bench
