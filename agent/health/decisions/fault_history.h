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

/// When a device's fault happened, by source: a second source that saw it does not count twice.
/// Bounded: forgets the fault that was quiet longest. One thread.
class FaultHistory {
 public:
  /// Counts the finding, unless its source has told of it within `merge_window`; returns
  /// times().
  std::vector<Ms> count(const Finding& finding, const std::string& code, Ms merge_window);
  /// Returns when it happened, by the source that saw it most often; the latest are last.
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
  /// Faults by when they were last seen: among many new ones none has all of them looked through.
  std::set<std::pair<Ms, std::string>> by_newest_;
};

}  // namespace cardswap::health
