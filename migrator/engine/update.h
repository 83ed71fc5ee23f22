#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/core/factor.h"
#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"

namespace cardswap {

/// The sizes by which a replay is judged.
struct ReplaySizes {
  std::uint64_t replayed_bytes = 0;  ///< bytes of state that updates rewrite
  std::uint64_t update_bytes = 0;    ///< bytes of one step's gradients, if all parameters have one
};
/// The sizes of `shards`, by the regions of `layout`; a shard with a region outside `layout` does
/// not count.
[[nodiscard]] ReplaySizes replay_sizes(const std::vector<Shard>& shards, const Layout& layout);
[[nodiscard]] ReplaySizes replay_sizes(const StateView& state_view);

/// How many bytes of gradients may be held until they are sent. The program's next step needs its
/// memory, so this is half of the least that it leaves free on a device: free memory may be in
/// pieces. UINT64_MAX: no device limits it.
[[nodiscard]] std::uint64_t room_for_gradients(std::span<const std::shared_ptr<Device>> devices);

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
  std::uint64_t number = 0;  ///< unique in its UpdateLog
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

/// An update with its gradients, as a standby receives and repeats it.
struct ReceivedUpdate {
  /// A parameter's gradient, in memory where replay() reads it.
  struct ReplayGradient {
    ParameterId parameter{};
    Buffer memory;
    Factor factor = {};  ///< by which ReplayJob multiplies it before TargetProgram::replay()
  };
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  std::uint32_t optimizer = 0;
  bool audit = false;
  std::vector<std::byte> options;
  std::vector<ReplayGradient> gradients;
};

}  // namespace cardswap
