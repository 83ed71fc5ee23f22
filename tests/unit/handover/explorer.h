#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/handover/world.h"

namespace cardswap::handover::model {

struct Found {
  std::size_t states = 0;
  std::size_t steps = 0;  ///< between states
  std::uint32_t depth = 0;
  /// Of the first broken state: the shortest way to it, one step a line; empty when none is.
  std::string violation;
  std::size_t violations = 0;
  std::size_t unsettled = 0;  ///< states from which no settled one can be reached without faults
};

/// Breadth first through every state that can be reached; stops at the first violation if asked to.
[[nodiscard]] Found explore(const Options& options, bool stop_at_violation = false);

}  // namespace cardswap::handover::model
