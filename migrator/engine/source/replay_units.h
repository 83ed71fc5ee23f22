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
/// A unit never changes its index. A shard that gains or loses a region (with a parameter's first
/// gradient, for example) becomes a new unit, which must be copied. Pure; one thread.
class ReplayUnits {
 public:
  /// A shard, and how it is sent.
  struct Unit {
    Shard shard;  ///< without regions that an earlier unit has
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> copied_at;  ///< the step of the copy; none: not copied yet
    bool by_digests = false;                 ///< replaying gives wrong bytes, or is not possible
    bool gone = false;                       ///< the layout has no such shard any more
    [[nodiscard]] bool is_replayed() const { return copied_at && !by_digests; }
  };

  /// Takes over a new layout and its shards; `kept` is kept_regions() from the former layout.
  /// Returns the indices of the new units. None: `shards` do not belong to `layout`, and nothing
  /// has changed.
  [[nodiscard]] std::optional<std::vector<std::size_t>> follow(
      const Layout& layout, const std::vector<Shard>& shards,
      std::span<const std::optional<RegionId>> kept);

  [[nodiscard]] std::size_t size() const { return units_.size(); }
  [[nodiscard]] Unit& operator[](std::size_t index) { return units_[index]; }
  [[nodiscard]] const Unit& operator[](std::size_t index) const { return units_[index]; }
  /// The index of the unit that has the region; none: no update rewrites it. Throws
  /// std::out_of_range for an unknown region.
  [[nodiscard]] std::optional<std::size_t> find(RegionId region) const {
    return unit_of_region_.at(static_cast<std::size_t>(region));
  }
  /// The index of the parameter's unit; none: there is none.
  [[nodiscard]] std::optional<std::size_t> find(ParameterId parameter) const;
  /// Whether the target replays the updates of this region, so that it needs no sending.
  [[nodiscard]] bool replays(RegionId region) const {
    const auto unit = find(region);
    return unit && units_[*unit].is_replayed();
  }
  /// Bytes of the units that are still to be copied, from index `first` on.
  [[nodiscard]] std::uint64_t bytes_to_copy(std::size_t first = 0) const;
  /// Whether no unit is replayed or will be.
  [[nodiscard]] bool all_go_by_digests() const;

 private:
  std::vector<Unit> units_;
  std::vector<std::optional<std::size_t>> unit_of_region_;
  std::vector<std::optional<std::size_t>> unit_of_parameter_;
};

}  // namespace cardswap
