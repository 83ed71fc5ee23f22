#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/device/device.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// A gradient as the optimizer read it, held by reference.
struct CapturedGradient {
  ParameterId parameter{};
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::shared_ptr<Device> device = shared_cpu_device();
};

/// A copy of a gradient of the current step. The gradient itself may still change before the step's
/// entry is appended.
struct EarlyCopy {
  std::uint64_t step = 0;  ///< the boundary to which the step leads, as far as it is known
  CapturedGradient gradient;
  std::uint64_t copy_number = 0;  ///< unique in its UpdateLog
};

/// An entry of the update log: all that one optimizer step reads besides the state that it
/// rewrites.
struct UpdateEntry {
  std::uint64_t step = 0;                   ///< the boundary to which the update leads
  std::uint32_t optimizer = 0;              ///< index among the tracked optimizers
  std::vector<std::byte> options;           ///< hyper-parameters and counters before the step
  std::vector<CapturedGradient> gradients;  ///< empty: the step was skipped
  bool audit = false;                       ///< both sides digest everything right after this step
  Fence fence;                              ///< after the work that computed the gradients
  /// Bytes of the options and of all gradients.
  [[nodiscard]] std::uint64_t bytes() const;
};

}  // namespace cardswap
