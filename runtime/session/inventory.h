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

/// The parts of a job's state, told to people, and the gaps in it: an optimizer that steps and is
/// not tracked, an untracked parameter, a value that cannot be saved. A job with such an obstacle
/// trains as ever and is not moved. Training thread only.
class Inventory {
 public:
  using Describe = SteppedOptimizer (*)(const void* optimizer);

  explicit Inventory(Tracker& tracker) : tracker_(tracker) {}

  /// Notes that `optimizer` is about to step towards the boundary `step`. True when it was never
  /// seen before.
  bool before_step(const void* optimizer, Describe describe, std::uint64_t step);
  /// Looks at everything, at the boundary `step`; never throws. Saves every value twice.
  [[nodiscard]] std::vector<channel::Obstacle> obstacles(std::uint64_t step);
  /// The state's items by tracked thing, in order; then what was seen besides, and what obstacles()
  /// has just found.
  [[nodiscard]] std::vector<channel::StateItem> list(
      const std::vector<channel::Obstacle>& in_the_way);

 private:
  /// An optimizer that was seen to step.
  struct Stepped {
    const void* address = nullptr;
    Describe describe = nullptr;
    std::uint64_t step = 0;  ///< the latest boundary that it led to: it may be gone after that
    SteppedOptimizer known;
    std::string failure;  ///< why it did not say what it steps; empty: it did
  };
  /// What a tracked thing was at the first boundary.
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
  std::map<std::string, First> first_;  // by tracked thing: at the first boundary
  std::size_t tracked_first_ = 0;       // things at the first boundary; 0: it was not yet
};

}  // namespace cardswap
