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

/// What a job's state consists of, in the order in which it was tracked, each storage once.
/// Training thread only.
class Tracker {
 public:
  /// Throws Error{bad_request} on an empty or repeated name.
  void add(std::string_view name, std::unique_ptr<TrackedState> state, const void* thing = nullptr,
           std::string type = {});
  /// Notes that `thing` is tracked as what these names stand for. Throws Error{bad_request}.
  void add_parts(const void* thing, const std::vector<std::string>& names);
  [[nodiscard]] const std::vector<TrackedEntry>& entries() const { return entries_; }
  /// Whether the program's object was tracked, by itself or in parts.
  [[nodiscard]] bool is_tracked(const void* thing) const;

  /// TrackedRegion::storage of everything that the tracked thing `name` has. Throws
  /// Error{bad_request} when there is none.
  [[nodiscard]] std::vector<const void*> storages_of(std::string_view name) const;

  [[nodiscard]] StateView state_view();
  /// The regions, each storage once, with its whole name; then, if asked for, what is no state but
  /// needed by a process that goes on where it stands.
  [[nodiscard]] std::vector<TrackedRegion> regions(bool with_scratch);
  /// Makes or drops lazily made state to match `wanted`, and gives what is there now.
  [[nodiscard]] StateView adopt(const Layout& wanted);
  /// The optimizers whose updates can be logged and replayed; until something more is tracked.
  [[nodiscard]] ReplayableOptimizers optimizers() const { return ReplayableOptimizers(entries_); }
  /// What each trainable parameter's update rewrites, by state_view()'s regions.
  [[nodiscard]] std::vector<Shard> shards();
  /// The digest of every tracked byte, gradients excepted: an undisturbed run cannot tell which are
  /// state.
  [[nodiscard]] Digest digest();

  // Of a source, and of a standby that has become the job: TrackedGradients.
  void before_step(const void* optimizer, std::span<const void* const> tensors);
  void on_boundary(bool all_gradients);
  void keep_unused_gradients();
  void on_arrived();

 private:
  [[nodiscard]] StateView collect(bool with_gradients);

  std::vector<TrackedEntry> entries_;
  Layout layout_;  ///< as the latest state_view() had it: equal ones are one
  std::vector<const void*> in_parts_;
};

}  // namespace cardswap
