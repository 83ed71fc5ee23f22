#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "migrator/engine/received_update.h"
#include "migrator/engine/shard.h"
#include "migrator/engine/update_entry.h"
#include "runtime/tracked_entry.h"

namespace cardswap {

/// The replayable optimizers among the tracked things. The update log knows an optimizer by its
/// number in the order of the entries, and a parameter by its number counted over all of these
/// optimizers. A view of a Tracker's entries: valid until another thing is tracked. Training thread
/// only. The methods throw what the optimizers throw.
class ReplayableOptimizers {
 public:
  explicit ReplayableOptimizers(std::span<const TrackedEntry> entries) : entries_(entries) {}

  /// The indices in `regions` of all that each trainable parameter's update rewrites. A
  /// parameter without such a region is left out.
  [[nodiscard]] std::vector<Shard> shards(std::span<const TrackedRegion> regions) const;
  /// Does what ReplayableOptimizer::GradientSink does, for the parameters of all optimizers. Any
  /// thread.
  using GradientSink = std::function<void(ParameterId parameter, std::uint64_t bytes,
                                          const std::function<CapturedGradient()>& copy)>;
  /// Gives `sink` each gradient as soon as it is computed; an empty sink ends this.
  void give_early(const GradientSink& sink) const;
  /// The inputs of the step that `optimizer` is about to take. Nullopt: it is not tracked or cannot
  /// be replayed. UpdateEntry::step is left to the caller.
  [[nodiscard]] std::optional<UpdateEntry> capture(const void* optimizer) const;
  /// Takes the step of a received update; does nothing for one without gradients. Throws
  /// Error{bad_request} for an optimizer or a parameter that is not tracked here.
  void replay(const ReceivedUpdate& update) const;

 private:
  /// An optimizer and its numbers in the log.
  struct Slot {
    ReplayableOptimizer* optimizer = nullptr;
    std::uint32_t index = 0;
    std::uint32_t first_parameter = 0;
    std::uint32_t parameters = 0;
  };
  template <class Is>
  [[nodiscard]] std::optional<Slot> find(Is is) const;

  std::span<const TrackedEntry> entries_;
};

}  // namespace cardswap
