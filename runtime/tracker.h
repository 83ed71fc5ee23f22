#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cardswap/session.h"
#include "migrator/layout.h"
#include "migrator/update_queue.h"

namespace cardswap {

/// What a job's state consists of, in the order in which it was tracked, each storage once.
/// Training thread only.
class Tracker {
 public:
  /// Throws Error{bad_request} on an empty or repeated name.
  void add(std::string_view name, std::unique_ptr<TrackedState> state);

  /// TrackedRegion::storage of everything that the tracked thing `name` has. Throws
  /// Error{bad_request} when there is none.
  [[nodiscard]] std::vector<const void*> storages_of(std::string_view name) const;

  [[nodiscard]] Snapshot snapshot();
  /// Each storage once, with its whole name; then, if asked for, what is no state but needed by a
  /// process that goes on where it stands.
  [[nodiscard]] std::vector<TrackedRegion> regions(bool with_scratch);
  /// Makes or drops lazily made state to match `wanted`, and gives what is there now.
  [[nodiscard]] Snapshot adopt(const Layout& wanted);
  /// Everything that is no region, as one block.
  [[nodiscard]] std::vector<std::byte> save();
  /// Throws Error{layout_differs, bad_request} when the block is not of these things.
  void load(std::span<const std::byte> block);
  /// What each trainable parameter's update rewrites, by snapshot()'s regions.
  [[nodiscard]] std::vector<Shard> shards();
  /// What `optimizer` is about to read; none for one that is not tracked or cannot be replayed.
  [[nodiscard]] std::optional<UpdateEntry> capture(const void* optimizer);
  /// Throws Error{bad_request} for an optimizer that is not there.
  void replay(const ReceivedUpdate& update);
  /// Over every tracked byte.
  [[nodiscard]] Digest digest();

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<TrackedState> state;
  };
  std::vector<Entry> entries_;
  Layout layout_;  ///< as the latest snapshot had it: equal ones are one
};

}  // namespace cardswap
