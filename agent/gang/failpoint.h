#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/gang/protocol/gang_rules.h"

namespace cardswap::gang {

/// Where a gang is held for a test, by an agent with --failpoints: in a state, which is on disk
/// while nobody is told what follows from it; or before an event, which does not happen although
/// all that it takes is there. A value.
class Failpoint {
 public:
  /// `name`: of a GangState or a GangEvent; empty: it holds nothing. Throws Error{bad_request}.
  explicit Failpoint(std::string name);

  /// Whether orders and messages are held back in that state.
  [[nodiscard]] bool holds(GangState state) const;
  /// The rules of the gang: kGangRules without the event that is held back. Valid while this lives
  /// and neither moves nor proceeds.
  [[nodiscard]] std::span<const GangRule> rules() const { return rules_; }
  /// Holds nothing any more.
  void proceed();

 private:
  std::string name_;
  std::vector<GangRule> rules_;
};

}  // namespace cardswap::gang
