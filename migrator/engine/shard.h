#pragma once

#include <cstdint>
#include <vector>

#include "migrator/core/layout.h"

namespace cardswap {

/// A trainable parameter, counted over all tracked optimizers in the order of tracking.
enum class ParameterId : std::uint32_t {};

/// A parameter and the state that its update rewrites: copied together, consistent as of one step.
struct Shard {
  ParameterId parameter{};
  std::vector<RegionId> regions;  ///< the parameter's own first
  bool has_gradient = true;       ///< false: the program's own update, which reads the state alone
};

}  // namespace cardswap
