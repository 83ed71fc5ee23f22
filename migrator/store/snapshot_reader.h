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

/// How much of a snapshot is read to say that it is whole.
struct VerifyDepth {
  double share = 1.0;  ///< of the chunks' bytes; the root is compared only at 1
};

/// Reads one snapshot; every byte that it gives was held against its chunk's SHA-256.
///
/// The constructor reads manifest and nodes and holds them against their ids and each other. Throws
/// Error{corrupt} or Error{not_found} that names the object. read() may be called by several
/// threads, each with a Packer of its own. Store and catalog outlive it, and the catalog does not
/// change meanwhile. While it is used a prune may remove what it reads, unless an intent is put.
class SnapshotReader {
 public:
  SnapshotReader(Store& store, const PackCatalog& catalog, Ref ref);

  [[nodiscard]] const Ref& ref() const { return ref_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  /// The id of a region's chunk: two snapshots hold the same bytes there if it is the same.
  [[nodiscard]] const ObjectId& chunk_id(RegionId region, std::uint64_t index) const;

  /// Fills `into` from the region's bytes at `offset`. Throws Error{bad_request} past its end,
  /// Error{corrupt} or Error{not_found} that names pack and chunk.
  void read(Packer& packer, RegionId region, std::uint64_t offset, std::span<std::byte> into) const;
  [[nodiscard]] std::vector<std::byte> values(Packer& packer) const;

  /// Reads it and names what is damaged or missing; empty: it is whole, and its root is the one
  /// that was committed. Gives up on nothing: after one damaged chunk the next one is read.
  [[nodiscard]] std::vector<Damage> verify(const VerifyDepth& depth = {}) const;

 private:
  void read_chunk(Packer& packer, const ObjectId& id, std::span<std::byte> into) const;

  Store& store_;
  const PackCatalog& catalog_;
  const Ref ref_;
  Manifest manifest_;
  std::vector<Node> nodes_;  ///< one a region
  Node values_;
};

}  // namespace cardswap::store
