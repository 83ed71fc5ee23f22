#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cardswap/tracking.h"
#include "migrator/core/digest.h"
#include "migrator/wire/runtime_messages.h"
#include "runtime/tracker.h"

namespace cardswap {

/// Lists the parts of a job's state for people, and finds what is missing in it: an optimizer that
/// steps and is not tracked, an untracked parameter, a value that cannot be saved. A job with such
/// an obstacle trains on and is not moved. Training thread only.
class Inventory {
 public:
  using Describe = SteppedOptimizer (*)(const void* optimizer);

  explicit Inventory(Tracker& tracker) : tracker_(tracker) {}

  /// Notes that `optimizer` is about to take a step that ends at the boundary `step`. True: it was
  /// not seen before. `describe` is called only in obstacles() of that boundary: the object must
  /// exist until then.
  bool before_step(const void* optimizer, Describe describe, std::uint64_t step);
  /// Checks everything that is tracked or was stepped, at the boundary `step`. Saves every value
  /// twice. An exception of the program becomes an obstacle. At most channel::kObstaclesMax are
  /// returned.
  [[nodiscard]] std::vector<channel::Obstacle> obstacles(std::uint64_t step);
  /// The items of the state: each tracked thing in order, with its gradients after it, then the
  /// obstacles that obstacles() has just found.
  [[nodiscard]] std::vector<channel::StateItem> list(
      const std::vector<channel::Obstacle>& in_the_way);

 private:
  /// An optimizer that was seen to step.
  struct Stepped {
    const void* address = nullptr;
    Describe describe = nullptr;
    std::uint64_t step = 0;  ///< the boundary of its latest step: it may be destroyed after that
    SteppedOptimizer known;
    std::string failure;  ///< why `describe` failed; empty: it did not
  };
  /// The state of a tracked thing at the first boundary.
  struct First {
    Digest value;
    std::uint64_t version = 0;
    bool changed = false;
  };
  void describe_stepped(std::uint64_t step);
  void inspect_values(std::vector<channel::Obstacle>& found);
  void inspect_stepped(std::vector<channel::Obstacle>& found);
  [[nodiscard]] channel::StateItem item_of(const TrackedEntry& entry,
                                           const std::vector<const void*>& replayed);
  [[nodiscard]] std::vector<const void*> replayed() const;
  [[nodiscard]] std::vector<channel::Obstacle> obstacles_of(const Stepped& stepped) const;

  Tracker& tracker_;
  std::vector<Stepped> stepped_;
  std::map<std::string, First> first_;  // by the name of the tracked thing
  std::size_t tracked_first_ = 0;       // things at the first boundary; 0: not reached yet
};

}  // namespace cardswap
