#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"

namespace cardswap {

/// A gradient as the optimizer read it, held by reference.
struct Gradient {
  ParameterId parameter{};
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::shared_ptr<Device> device = shared_cpu_device();
};

/// One optimizer step, as the update log has it: what it read besides the state that it rewrites.
struct UpdateEntry {
  std::uint64_t step = 0;           ///< the boundary that the update leads to
  std::uint32_t optimizer = 0;      ///< among the tracked ones
  std::vector<std::byte> options;   ///< hyper-parameters and counters before the step
  std::vector<Gradient> gradients;  ///< none: the step was skipped
  bool audit = false;               ///< both sides digest everything right after it
  Fence fence;                      ///< behind what made the gradients
  [[nodiscard]] std::uint64_t bytes() const;
};

/// An update with its gradients, as a standby does it again.
struct ReceivedUpdate {
  struct Gradient {
    ParameterId parameter{};
    Buffer memory;
  };
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  std::uint32_t optimizer = 0;
  bool audit = false;
  std::vector<std::byte> options;
  std::vector<Gradient> gradients;
};

}  // namespace cardswap
