#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/engine/shard.h"

namespace cardswap {

/// The shards of a source that replays. It knows each shard's regions, since when the target
/// follows it, and whether it goes by digests instead.
///
/// A unit keeps its index for good. A shard that gains or loses a region, as with a parameter's
/// first gradient, becomes another unit, which is to be copied anew. Pure; one thread.
class ReplayUnits {
 public:
  /// A shard, and how it goes over.
  struct Unit {
    Shard shard;  ///< its regions without those of an earlier unit
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> copied_at;  ///< steps completed in the copy
    bool by_digests = false;                 ///< replaying it is wrong, or not possible
    bool gone = false;                       ///< no shard is this unit any more
    [[nodiscard]] bool is_replayed() const { return copied_at && !by_digests; }
  };

  /// Takes `shards` of `layout`, of whose regions `kept` says where the former layout had them.
  /// Returns the indices of the units that begin; none: the shards are of another layout, nothing
  /// has changed.
  [[nodiscard]] std::optional<std::vector<std::size_t>> follow(
      const Layout& layout, const std::vector<Shard>& shards,
      std::span<const std::optional<RegionId>> kept);

  [[nodiscard]] std::size_t size() const { return units_.size(); }
  [[nodiscard]] Unit& operator[](std::size_t index) { return units_[index]; }
  [[nodiscard]] const Unit& operator[](std::size_t index) const { return units_[index]; }
  /// The index of the unit that has it; none: no update rewrites it.
  [[nodiscard]] std::optional<std::size_t> find(RegionId region) const {
    return unit_of_region_.at(static_cast<std::size_t>(region));
  }
  [[nodiscard]] std::optional<std::size_t> find(ParameterId parameter) const;
  /// Whether the target replays the updates of this region.
  [[nodiscard]] bool replays(RegionId region) const {
    const auto unit = find(region);
    return unit && units_[*unit].is_replayed();
  }
  /// Bytes of the units from index `first` on that are still to be copied.
  [[nodiscard]] std::uint64_t bytes_to_copy(std::size_t first = 0) const;
  /// Whether nothing is left that is replayed or will be.
  [[nodiscard]] bool all_go_by_digests() const;

 private:
  std::vector<Unit> units_;
  std::vector<std::optional<std::size_t>> unit_of_region_;
  std::vector<std::optional<std::size_t>> unit_of_parameter_;
};

}  // namespace cardswap
