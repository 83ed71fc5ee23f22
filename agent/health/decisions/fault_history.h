#pragma once

#include <array>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/health/decisions/finding.h"

namespace cardswap::health {

/// When each fault of a device happened, by source, so that a second source that saw it does not
/// count twice. Keeps the latest 32 times of at most 2048 faults, and forgets the fault that was
/// quiet for the longest time. One thread.
class FaultHistory {
 public:
  /// Counts the finding, unless its source has reported the same fault within `merge_window`.
  /// Returns times().
  std::vector<Ms> count(const Finding& finding, const std::string& code, Ms merge_window);
  /// When the fault happened, as the source that saw it most often reported; oldest first.
  [[nodiscard]] std::vector<Ms> times(const std::string& device, const std::string& code) const;

 private:
  /// When one fault happened, by source.
  struct Times {
    std::array<std::deque<Ms>, kSources> seen;
    [[nodiscard]] Ms newest() const;
    [[nodiscard]] std::vector<Ms> most() const;
  };

  void forget_the_quietest();

  std::map<std::string, Times> of_fault_;
  /// The faults by the time of their latest finding: the quietest is found without a search.
  std::set<std::pair<Ms, std::string>> by_newest_;
};

}  // namespace cardswap::health
