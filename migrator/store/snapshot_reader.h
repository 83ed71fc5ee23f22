#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"
#include "migrator/store/manifest.h"
#include "migrator/store/node.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/read_chunks.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap::store {

/// How much of a snapshot verify() reads.
struct VerifyDepth {
  double share = 1.0;  ///< of the chunks' bytes; the state digest is checked only if this is 1
};

/// The digests of chunks whose stored bytes were read, and are those of their ids.
using ChunkDigests = std::unordered_map<ObjectId, Digest, IdHash>;

/// What the verifications of several snapshots share: the threads, and the chunks that one of them
/// has read and found whole, which the others need not read again.
struct Verification {
  Workers& workers;
  ChunkDigests whole = {};
};

/// Reads one snapshot. Every byte that it returns was checked against the SHA-256 of its chunk.
///
/// Several threads may call it, each with a Compressor of its own. Store and catalog outlive it,
/// and the catalog must not change meanwhile. A prune may remove objects of the snapshot while it
/// is read, unless the caller has made a ReadIntent before it chose the snapshot, or ends before
/// the grace. A chunk whose pack is gone is looked for in the others: where two packs have it a
/// prune may remove one of them, also with the intent. All calls that read throw what the store
/// throws.
class SnapshotReader {
 public:
  /// Reads manifest and nodes, and checks them against their ids and against each other. Throws
  /// Error{corrupt} or Error{not_found} with the object's name in the text, and
  /// Error{protocol_mismatch} when a newer release has written the manifest in another format.
  SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& manifest);
  /// Checks as well that the manifest is the one of the snapshot `ref`; throws Error{corrupt} if
  /// not.
  SnapshotReader(Store& store, const PackCatalog& catalog, const Ref& ref);
  /// Takes the manifest of that id and its regions' nodes from a caller that has read them. Reads
  /// only the node of the values, and checks all of them against each other. Throws as the first
  /// one, and Error{bad_request} for another number of nodes.
  SnapshotReader(Store& store, const PackCatalog& catalog, const ObjectId& id, Manifest manifest,
                 std::vector<Node> nodes);
  ~SnapshotReader();
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  /// The id of a region's chunk. If it is the same in two snapshots, they have the same bytes
  /// there. Throws Error{bad_request} for an unknown region or index.
  [[nodiscard]] const ObjectId& chunk_id(RegionId region, std::uint64_t index) const;

  /// Fills `into` from the region's bytes at `offset`. Throws Error{bad_request} past the region's
  /// end, and Error{corrupt} or Error{not_found} with pack and chunk in the text.
  void read(Compressor& compressor, RegionId region, std::uint64_t offset,
            std::span<std::byte> into) const;
  /// Fills `memory`, which has one span for each region, as long as that is, from all regions.
  /// Returns the digest of each chunk, in the order of the layout. Throws as read(), for the first
  /// chunk that cannot be read, and Error{bad_request} for memory of another size.
  [[nodiscard]] std::vector<Digest> read_all(Workers& workers,
                                             std::span<const std::span<std::byte>> memory) const;
  /// The bytes of the values. Throws as read().
  [[nodiscard]] std::vector<std::byte> values(Compressor& compressor) const;
  /// The digests of the chunks as the writer has them, in the order of the layout. Empty: the
  /// snapshot does not have them, or they cannot be read; nothing of the snapshot is missing then.
  /// Throws when the store cannot be asked.
  [[nodiscard]] std::vector<Digest> recorded_digests(Compressor& compressor) const;

  /// Reads the snapshot and returns what is damaged or missing. Empty: what was read is whole, and
  /// (at full depth) its state digest is the committed one. Goes on after a damaged chunk; throws
  /// when the store cannot be asked (is_store_failure()). Takes as long as to read that share of
  /// the snapshot, less what `shared` has already, to which it adds. Without `shared` it reads on
  /// the calling thread.
  [[nodiscard]] std::vector<Damage> verify(const VerifyDepth& depth = {},
                                           Verification* shared = nullptr) const;

 private:
  struct Later;
  void check_nodes() const;
  [[nodiscard]] PackCatalog::Place place_of(const ObjectId& id, std::size_t bytes) const;
  [[nodiscard]] std::optional<PackCatalog::Place> place_but(const ObjectId* gone,
                                                            const ObjectId& id) const;
  void read_chunk(Compressor& compressor, const ObjectId& id, std::span<std::byte> into) const;
  void read_chunk_at(const PackCatalog::Place& place, Compressor& compressor,
                     std::span<std::byte> into) const;
  [[nodiscard]] std::vector<ChunkOutcome> read_wanted(Workers& workers,
                                                      std::vector<WantedChunk> wanted) const;
  [[nodiscard]] std::vector<std::byte> bytes_of(Compressor& compressor, const Node& node) const;
  void read_missing(const VerifyDepth& depth, Verification& shared,
                    std::unordered_map<ObjectId, Error, IdHash>& failed) const;

  Store& store_;
  const PackCatalog& catalog_;
  const ObjectId id_;  // of the manifest
  Manifest manifest_;
  std::vector<Node> nodes_;  ///< one for each region
  Node values_;
  const std::unique_ptr<Later> later_;
};

}  // namespace cardswap::store
