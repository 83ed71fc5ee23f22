#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cardswap/tracking.h"
#include "migrator/core/layout.h"
#include "migrator/engine/state_view.h"
#include "runtime/replayable_optimizers.h"
#include "runtime/tracked_entry.h"

namespace cardswap {

/// The tracked things of a job in the order in which they were tracked. Their regions have each
/// storage once. Training thread only. Its methods throw what the program's own state throws,
/// mostly as an Error with the thing's name.
class Tracker {
 public:
  /// Throws Error{bad_request} for a name that is empty, in use or has a '/'. `state` must not be
  /// null.
  void add(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing = nullptr,
           std::string type = {});
  /// Notes that the state of `thing` is tracked in parts, under these names. Throws
  /// Error{bad_request} for a name that is not tracked.
  void add_parts(const void* thing, const std::vector<std::string>& names);
  [[nodiscard]] const std::vector<TrackedEntry>& entries() const { return entries_; }
  /// Whether the program's object is tracked, as a whole or in parts.
  [[nodiscard]] bool is_tracked(const void* thing) const;

  /// The TrackedRegion::storage of each region of the tracked thing `name`. Throws
  /// Error{bad_request} if nothing is tracked under this name.
  [[nodiscard]] std::vector<const void*> storages_of(std::string_view name) const;

  /// The state's memory and layout now, with the gradients that belong to the state.
  [[nodiscard]] StateView state_view();
  /// The regions, each storage once, named "thing/region", without gradients. Further tensors in a
  /// storage are regions without bytes (kSharedTensor), where their shape is known. With
  /// `with_scratch`, then the memory that is not state but that the running process needs
  /// (TrackedState::scratch).
  [[nodiscard]] std::vector<TrackedRegion> regions(bool with_scratch);
  /// Makes or drops, on a standby, lazily made state to match `wanted`, and returns state_view().
  /// Throws Error{layout_differs}. The result may still differ from `wanted`.
  [[nodiscard]] StateView adopt(const Layout& wanted);
  /// The optimizers whose updates can be logged and replayed. Valid until something more is
  /// tracked.
  [[nodiscard]] ReplayableOptimizers optimizers() const { return ReplayableOptimizers(entries_); }
  /// The regions that each trainable parameter's update rewrites, by their indices in state_view().
  [[nodiscard]] std::vector<Shard> shards();
  /// The digest of every tracked byte except gradients: a run without a migration does not know
  /// which of them are state.
  [[nodiscard]] Digest digest();

  /// Calls ReplayableOptimizer::before_step() of `optimizer`, if it is tracked, and
  /// TrackedGradients::before_step() of all tracked things. `tensors` must be sorted.
  void before_step(const void* optimizer, std::span<const void* const> tensors);
  /// Calls TrackedGradients::on_boundary() of all tracked things.
  void on_boundary(bool all_gradients);
  /// Calls TrackedGradients::keep_unused() of all tracked things.
  void keep_unused_gradients();
  /// Calls TrackedGradients::on_arrived() of all tracked things.
  void on_arrived();

 private:
  [[nodiscard]] StateView collect(bool with_gradients);

  std::vector<TrackedEntry> entries_;
  Layout layout_;  ///< the latest one: an equal layout is returned as the same object
  std::vector<const void*> in_parts_;  ///< objects whose state is tracked in parts
};

}  // namespace cardswap
