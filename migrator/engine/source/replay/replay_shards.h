#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// The shards of a replaying source: the regions of each, as of which step it was copied, and
/// whether it is sent by digests instead.
///
/// A shard never changes its index. A shard that gains or loses a region (with a parameter's first
/// gradient, for example) becomes a new shard, which must be copied. No clock, no I/O; one thread.
class ReplayShards {
 public:
  /// A shard, and how it is sent.
  struct Entry {
    Shard shard;  ///< without regions that an earlier shard has
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> copied_at;  ///< the step of the copy; nullopt: not copied yet
    bool by_digests = false;                 ///< replaying gives wrong bytes, or is not possible
    bool gone = false;                       ///< the layout has no such shard any more
    [[nodiscard]] bool is_replayed() const { return copied_at && !by_digests; }
  };

  /// Takes over a new layout and its shards; `kept` is kept_regions() from the former layout.
  /// Returns the indices of the new shards. Nullopt: `shards` do not belong to `layout`, and
  /// nothing has changed.
  [[nodiscard]] std::optional<std::vector<std::size_t>> follow(
      const Layout& layout, const std::vector<Shard>& shards,
      std::span<const std::optional<RegionId>> kept);

  [[nodiscard]] std::size_t size() const { return shards_.size(); }
  [[nodiscard]] Entry& operator[](std::size_t index) { return shards_[index]; }
  [[nodiscard]] const Entry& operator[](std::size_t index) const { return shards_[index]; }
  /// The index of the shard that has the region. Nullopt: no update rewrites it. Throws
  /// std::out_of_range for an unknown region.
  [[nodiscard]] std::optional<std::size_t> find(RegionId region) const {
    return shard_of_region_.at(static_cast<std::size_t>(region));
  }
  /// The index of the parameter's shard. Nullopt: there is none.
  [[nodiscard]] std::optional<std::size_t> find(ParameterId parameter) const;
  /// Whether the target replays the updates of this region, so that it needs no sending.
  [[nodiscard]] bool replays(RegionId region) const {
    const auto shard_entry = find(region);
    return shard_entry && shards_[*shard_entry].is_replayed();
  }
  /// Bytes of the shards that are still to be copied, from index `first` on.
  [[nodiscard]] std::uint64_t bytes_to_copy(std::size_t first = 0) const;
  /// Whether no shard is replayed or will be.
  [[nodiscard]] bool all_go_by_digests() const;

 private:
  std::vector<Entry> shards_;
  std::vector<std::optional<std::size_t>> shard_of_region_;
  std::vector<std::optional<std::size_t>> shard_of_parameter_;
};

}  // namespace cardswap
