#pragma once

#include <cstdint>
#include <vector>

#include "migrator/core/layout.h"

namespace cardswap {

/// The index of a trainable parameter over all tracked optimizers, in the order of tracking.
enum class ParameterId : std::uint32_t {};

/// A parameter together with the state that its update rewrites. Both are copied as of one step.
struct Shard {
  ParameterId parameter{};
  std::vector<RegionId> regions;  ///< that of the parameter is the first
  bool has_gradient = true;       ///< false: an update of the program that reads only the state
};

}  // namespace cardswap
