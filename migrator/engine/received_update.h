#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "migrator/core/factor.h"
#include "migrator/device/device.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// An update with its gradients, as a standby receives and repeats it.
struct ReceivedUpdate {
  /// A parameter's gradient, in memory where replay() reads it.
  struct ReplayGradient {
    ParameterId parameter{};
    Buffer memory;
    Factor factor = {};  ///< by which ReplayRun multiplies it before TargetProgram::replay()
  };
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  std::uint32_t optimizer = 0;
  bool audit = false;
  std::vector<std::byte> options;
  std::vector<ReplayGradient> gradients;
};

}  // namespace cardswap
