#pragma once

#include <string>

namespace cardswap {

/// What an operator says of a migration that cannot end by itself.
struct OperatorDecision {
  std::string to;         ///< where the job is to live: "source" or "target"
  std::string by;         ///< who says so, as far as the connection proves it
  bool overrule = false;  ///< although the other side's agent says otherwise
};

}  // namespace cardswap
