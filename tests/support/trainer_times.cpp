#include "tests/support/trainer_times.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/hosts.h"

namespace cardswap::test {
namespace {

constexpr double kNoise = 0.1;  // of a step

}  // namespace

Begins begins(const std::filesystem::path& times) {
  Begins result;
  std::ifstream lines(times);
  std::string word;
  std::int64_t step = 0;
  std::int64_t ns = 0;
  while (lines >> word >> step >> ns) result[step] = static_cast<double>(ns) / 1e6;
  return result;
}

double median_interval(const Begins& begins, std::int64_t first, std::int64_t last) {
  std::vector<double> intervals;
  for (auto step = first; step < last; ++step) {
    if (begins.contains(step) && begins.contains(step + 1)) {
      intervals.push_back(begins.at(step + 1) - begins.at(step));
    }
  }
  if (intervals.empty()) throw std::runtime_error("no step was timed");
  const auto middle = intervals.begin() + static_cast<std::ptrdiff_t>(intervals.size() / 2);
  std::ranges::nth_element(intervals, middle);
  return *middle;
}

double sync_began_ms(const boost::json::object& migration) {
  using Ms = std::chrono::duration<double, std::milli>;
  const auto unix_now = Ms(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto steady_now = Ms(std::chrono::steady_clock::now().time_since_epoch()).count();
  double at = number(migration, "started_at_ms");
  const auto history = migration.at("history").as_array();
  for (const auto& item : history) {
    const auto& entered = item.as_object();
    if (text(entered, "state") == "syncing") at = number(entered, "at_ms");
  }
  return at - unix_now + steady_now;
}

StepLateness lateness(const Begins& begins, double since_ms, std::int64_t last, double step_ms) {
  StepLateness result;
  for (auto at = begins.begin(); at != begins.end() && std::next(at) != begins.end(); ++at) {
    const auto next = std::next(at);
    if (next->second < since_ms || next->first > last) continue;
    const double late = (next->second - at->second) / step_ms - 1;
    if (late < kNoise) continue;
    result.lost += late;
    result.stall = std::max(result.stall, late);
  }
  return result;
}

}  // namespace cardswap::test
