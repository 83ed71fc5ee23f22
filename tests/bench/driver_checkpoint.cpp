// NVIDIA's driver checkpoint of a running process, for comparison: from the call that locks it to
// the one that unlocks it again, on the same GPU. bench_driver_checkpoint PID SUFFIX, the end of
// the figures' names.

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cuda/driver_checkpoint.h"
#include "tests/bench/figure.h"

namespace {

using namespace cardswap;
using Clock = std::chrono::steady_clock;

constexpr int kTimes = 3;
constexpr std::chrono::seconds kLockLimit{30};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void measure(int argc, char** argv) {
  if (argc != 3) throw std::runtime_error("usage: bench_driver_checkpoint PID SUFFIX");
  const cuda::DriverCheckpoint driver;
  const std::string suffix = argv[2];
  bench::Figure suspend{"driver_checkpoint_suspend_ms_" + suffix, "ms", {}};
  bench::Figure downtime{"driver_checkpoint_downtime_ms_" + suffix, "ms", {}};
  for (int i = 0; i < kTimes; ++i) {
    const auto intent = cuda::suspend_intent(std::atoi(argv[1]));
    const auto start = Clock::now();
    driver.advance(intent, kLockLimit);
    suspend.samples.push_back(ms_since(start));
    driver.undo(intent);
    downtime.samples.push_back(ms_since(start));
  }
  print(suspend);
  print(downtime);
}

}  // namespace

int main(int argc, char** argv) {
  return cardswap::bench::run("driver_checkpoint", measure, argc, argv);
}
