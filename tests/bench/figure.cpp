#include "tests/bench/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <stdexcept>

namespace cardswap::bench {
namespace {

/// The value below which `share` of the samples lie, interpolated.
double quantile(std::vector<double> samples, double share) {
  if (samples.empty()) throw std::runtime_error("a figure without samples");
  std::ranges::sort(samples);
  const double place = share * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (place - static_cast<double>(below)) * (samples[above] - samples[below]);
}

}  // namespace

double median(std::vector<double> samples) { return quantile(std::move(samples), 0.5); }

std::string to_json(const Figure& figure) {
  const double value = median(figure.samples);
  std::string goal = "null";
  std::string holds = "null";
  if (figure.goal) {
    goal = fmt::format("{}", *figure.goal);
    holds = (figure.better == Better::higher ? value >= *figure.goal : value <= *figure.goal)
                ? "true"
                : "false";
  }
  return fmt::format(
      R"({{"name": "{}", "value": {:.4g}, "unit": "{}", "goal": {}, "holds": {}, "n": {}, "spread": {:.3g}}})",
      figure.name, value, figure.unit, goal, holds, figure.samples.size(),
      quantile(figure.samples, 0.75) - quantile(figure.samples, 0.25));
}

void print(const Figure& figure) {
  fmt::print("{}\n", to_json(figure));
  std::fflush(stdout);
}

int run(const char* name, void (*measure)(int argc, char** argv), int argc, char** argv) {
  try {
    measure(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return 1;
  }
}

}  // namespace cardswap::bench
