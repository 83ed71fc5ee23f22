#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "migrator/engine/shard.h"
#include "migrator/engine/update.h"
#include "runtime/tracked_entry.h"

namespace cardswap {

/// The optimizers among what is tracked, as the update log has them: numbered in the order of the
/// entries, and their parameters with them. A view of a Tracker's entries, until another thing is
/// tracked; training thread only.
class ReplayableOptimizers {
 public:
  explicit ReplayableOptimizers(std::span<const TrackedEntry> entries) : entries_(entries) {}

  /// What each trainable parameter's update rewrites, by its place in `regions`.
  [[nodiscard]] std::vector<Shard> shards(std::span<const TrackedRegion> regions) const;
  /// Takes a gradient as ReplayableOptimizer's sink does, of any tracked optimizer.
  using GradientSink = std::function<void(ParameterId parameter, std::uint64_t bytes,
                                          const std::function<CapturedGradient()>& copy)>;
  /// Has `sink` given each gradient as soon as it is there; an empty one ends that.
  void give_early(const GradientSink& sink) const;
  /// What `optimizer` is about to read; none for one that is not tracked or cannot be replayed.
  [[nodiscard]] std::optional<UpdateEntry> capture(const void* optimizer) const;
  /// Throws Error{bad_request} for an optimizer that is not there.
  void replay(const ReceivedUpdate& update) const;

 private:
  /// An optimizer whose updates are logged, and what the log calls it and its parameters by.
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
