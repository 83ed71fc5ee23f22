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

/// How much a replay saves, and how much it sends.
struct ReplaySizes {
  std::uint64_t replayed_bytes = 0;  ///< of the state: what updates rewrite
  std::uint64_t update_bytes = 0;    ///< gradients of one step, if all parameters have one
};
/// The sizes of `shards` by `layout`'s regions; those of other layouts do not count.
[[nodiscard]] ReplaySizes replay_sizes(const std::vector<Shard>& shards, const Layout& layout);
[[nodiscard]] ReplaySizes replay_sizes(const StateView& state_view);

/// Bytes of gradients that may wait for the line where the program trains, whose next step must
/// find its memory: half of what it leaves of each device, because what is left may be in pieces.
[[nodiscard]] std::uint64_t room_for_gradients(std::span<const std::shared_ptr<Device>> devices);

/// A gradient as the optimizer read it, held by reference.
struct CapturedGradient {
  ParameterId parameter{};
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::shared_ptr<Device> device = shared_cpu_device();
};

/// A copy of a gradient that the step under way made, and that may still change before its entry.
struct EarlyCopy {
  std::uint64_t step = 0;  ///< the boundary that it leads to, as far as can be told
  CapturedGradient gradient;
  std::uint64_t number = 0;  ///< by which its UpdateLog tells it from others of the parameter
};

/// One optimizer step, as the update log has it: what it read besides the state that it rewrites.
struct UpdateEntry {
  std::uint64_t step = 0;                   ///< the boundary that the update leads to
  std::uint32_t optimizer = 0;              ///< among the tracked ones
  std::vector<std::byte> options;           ///< hyper-parameters and counters before the step
  std::vector<CapturedGradient> gradients;  ///< none: the step was skipped
  bool audit = false;                       ///< both sides digest everything right after it
  Fence fence;                              ///< behind what made the gradients
  [[nodiscard]] std::uint64_t bytes() const;
};

/// An update with its gradients, as a standby does it again.
struct ReceivedUpdate {
  /// A parameter's gradient, in memory where replay() reads it.
  struct ReplayGradient {
    ParameterId parameter{};
    Buffer memory;
    Factor factor = {};  ///< by which it is to be multiplied before it is read
  };
  std::uint64_t number = 0;
  std::uint64_t step = 0;
  std::uint32_t optimizer = 0;
  bool audit = false;
  std::vector<std::byte> options;
  std::vector<ReplayGradient> gradients;
};

}  // namespace cardswap
