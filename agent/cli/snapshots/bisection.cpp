#include "agent/cli/snapshots/bisection.h"

namespace cardswap::cli {

std::optional<std::size_t> Bisection::next() const {
  const auto middle = good_ + (bad_ - good_) / 2;
  const auto distance = [&](std::size_t index) {
    return index < middle ? middle - index : index - middle;
  };
  std::optional<std::size_t> nearest;
  for (auto index = good_ + 1; index < bad_; ++index) {
    if (verdicts_[index]) continue;  // skipped: all others between are unknown
    if (!nearest || distance(index) < distance(*nearest)) nearest = index;
  }
  return nearest;
}

void Bisection::note(std::size_t index, ProbeVerdict verdict) {
  verdicts_.at(index) = verdict;
  if (verdict == ProbeVerdict::good && index > good_) good_ = index;
  if (verdict == ProbeVerdict::bad && index < bad_) bad_ = index;
}

std::vector<std::size_t> Bisection::between() const {
  std::vector<std::size_t> all;
  for (auto index = good_ + 1; index < bad_; ++index) all.push_back(index);
  return all;
}

}  // namespace cardswap::cli
