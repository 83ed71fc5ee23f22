#include "agent/health/decisions/fault_history.h"

#include <algorithm>

namespace cardswap::health {
namespace {

constexpr std::size_t kFaultsMax = 2048;
constexpr std::size_t kTimesMax = 32;

std::string key_of(const std::string& device, const std::string& code) {
  return device + " " + code;
}

}  // namespace

Ms FaultHistory::Times::newest() const {
  Ms at = 0;
  for (const auto& times : seen) at = times.empty() ? at : std::max(at, times.back());
  return at;
}

std::vector<Ms> FaultHistory::Times::most() const {
  const auto& longest = *std::ranges::max_element(seen, {}, &std::deque<Ms>::size);
  return {longest.begin(), longest.end()};
}

std::vector<Ms> FaultHistory::count(const Finding& finding, const std::string& code,
                                    Ms merge_window) {
  const auto key = key_of(finding.device, code);
  if (!of_fault_.contains(key) && of_fault_.size() >= kFaultsMax) evict_oldest();
  auto& times = of_fault_[key];
  auto& mine = times.seen.at(static_cast<std::size_t>(finding.source));
  if (mine.empty() || finding.at - mine.back() > merge_window) {
    by_newest_.erase({times.newest(), key});
    mine.push_back(finding.at);
    if (mine.size() > kTimesMax) mine.pop_front();
    by_newest_.emplace(times.newest(), key);
  }
  return times.most();
}

void FaultHistory::evict_oldest() {
  const auto oldest = by_newest_.begin();
  of_fault_.erase(oldest->second);
  by_newest_.erase(oldest);
}

std::vector<Ms> FaultHistory::times(const std::string& device, const std::string& code) const {
  const auto known = of_fault_.find(key_of(device, code));
  return known == of_fault_.end() ? std::vector<Ms>() : known->second.most();
}

}  // namespace cardswap::health
