#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/store/manifest.h"
#include "migrator/store/node.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// How much of a snapshot verify() reads.
struct VerifyDepth {
  double share = 1.0;  ///< of the chunks' bytes; the root is checked only if this is 1
};

/// Reads one snapshot. Every byte that it returns was checked against the SHA-256 of its chunk.
///
/// Several threads may call it, each with a Compressor of its own. Store and catalog outlive it,
/// and the catalog must not change meanwhile. A prune may remove objects of the snapshot while it
/// is read, unless the caller has made an Intent. All calls that read throw what the store throws.
class SnapshotReader {
 public:
  /// Reads manifest and nodes, and checks them against their ids and against each other. Throws
  /// Error{corrupt} or Error{not_found} with the object's name in the text, and
  /// Error{protocol_mismatch} when a newer release has written the manifest in another format.
  SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& manifest);
  /// Checks as well that the manifest is the one of the snapshot `ref`; throws Error{corrupt} if
  /// not.
  SnapshotReader(Store& store, const PackCatalog& catalog, const Ref& ref);

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  /// The id of a region's chunk. If it is the same in two snapshots, they have the same bytes
  /// there. Throws Error{bad_request} for an unknown region or index.
  [[nodiscard]] const ObjectId& chunk_id(RegionId region, std::uint64_t index) const;

  /// Fills `into` from the region's bytes at `offset`. Throws Error{bad_request} past the region's
  /// end, and Error{corrupt} or Error{not_found} with pack and chunk in the text.
  void read(Compressor& compressor, RegionId region, std::uint64_t offset,
            std::span<std::byte> into) const;
  /// The bytes of the values. Throws as read().
  [[nodiscard]] std::vector<std::byte> values(Compressor& compressor) const;

  /// Reads the snapshot and returns what is damaged or missing. Empty: what was read is whole, and
  /// (at full depth) its root is the committed one. Goes on after a damaged chunk; throws when the
  /// store cannot be asked (is_store_failure()). Takes as long as to read that share of the
  /// snapshot.
  [[nodiscard]] std::vector<Corruption> verify(const VerifyDepth& depth = {}) const;

 private:
  void read_chunk(Compressor& compressor, const ObjectId& id, std::span<std::byte> into) const;

  Store& store_;
  const PackCatalog& catalog_;
  const ObjectId id_;  // of the manifest
  Manifest manifest_;
  std::vector<Node> nodes_;  ///< one for each region
  Node values_;
};

}  // namespace cardswap::store
