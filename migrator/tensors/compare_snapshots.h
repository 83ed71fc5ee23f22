#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/store/snapshot_reader.h"
#include "migrator/tensors/difference.h"

namespace cardswap::tensors {

/// A region that only one of two snapshots has, or whose dtype, shape or size differs.
struct RegionChange {
  std::optional<Region> before;
  std::optional<Region> after;
  [[nodiscard]] const std::string& name() const { return before ? before->name : after->name; }
};

/// How many chunks of a region, and of how many bytes, are not those of the other snapshot.
struct ChangedChunks {
  std::string region;
  std::uint64_t chunks = 0;
  std::uint64_t chunks_changed = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_changed = 0;
};

/// What differs between two snapshots by their manifests and nodes: no chunk is read.
struct SnapshotComparison {
  std::vector<RegionChange> regions;  ///< in the order of `after`, then what it lacks
  std::uint64_t regions_alike = 0;    ///< name, dtype, shape and size are equal
  std::vector<ChangedChunks> chunks;  ///< of regions of `after` with changed chunks, in its order
  ChangedChunks total;                ///< of all regions of `after`
  /// Whether both have chunks of one size. If not, all chunks count as changed.
  bool are_chunks_comparable = true;
};
/// Compares by the ids of chunks; regions of the same name are compared.
[[nodiscard]] SnapshotComparison compare_snapshots(const store::SnapshotReader& before,
                                                   const store::SnapshotReader& after);

/// A tensor's side in a comparison.
struct ComparedSide {
  std::string dtype;
  std::vector<std::uint64_t> sizes;
  std::uint64_t bytes = 0;
  bool operator==(const ComparedSide&) const = default;
};
/// A tensor of two snapshots.
struct ComparedTensor {
  std::string name;
  std::optional<ComparedSide> before;  ///< nullopt: only the other snapshot has it
  std::optional<ComparedSide> after;
  /// Nullopt: one side is missing, or has another number of elements.
  std::optional<Difference> difference;
  /// Whether nothing differs: neither dtype nor sizes nor a byte.
  [[nodiscard]] bool is_equal() const {
    return before == after && difference && difference->changed == 0;
  }
};

/// Compares the tensors of listed_tensors() by name. First those that cannot be compared
/// (`difference` is nullopt), by name; then by relative change, the largest first. A tensor that is
/// another one's alias in both is left out. Reads chunk by chunk, and no chunk that both snapshots
/// have at the same place. Throws as SnapshotReader::read() and listed_tensors(), with the tensor's
/// name in the text.
[[nodiscard]] std::vector<ComparedTensor> compare_tensors(const store::SnapshotReader& before,
                                                          const store::SnapshotReader& after);

}  // namespace cardswap::tensors
