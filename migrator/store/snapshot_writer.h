#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/store/manifest.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap::store {

/// What a SnapshotWriter needs at its beginning.
struct SnapshotStart {
  std::string job;
  Layout layout;
  std::uint32_t chunk_bytes = kStoreChunkBytesMax;
  /// A label that no other snapshot of the job has while this one is written: its intent has this
  /// name, and the manifest's `writer` begins with it.
  std::string writer;
  /// The snapshot whose chunks keep() takes over. Nullopt: every chunk must be added. If a prune is
  /// about to remove it, may_keep() is false for all chunks.
  std::optional<Ref> parent = std::nullopt;
  bool compress = true;  ///< compress chunks with zstd if that makes them shorter
  /// Hash and compress the chunks of one add_all(), while a thread of its own writes the pack
  /// before. Null: all is done on the caller's thread. They outlive the writer.
  Workers* workers = nullptr;
};

/// A chunk and its bytes.
struct GivenChunk {
  RegionId region{};
  std::uint64_t index = 0;  ///< in the region
  std::span<const std::byte> bytes;
};

/// The fields of a manifest that the caller provides at the commit. The writer itself fills in job,
/// layout, nodes, values and the first parent.
struct SnapshotFacts {
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  Digest state_digest;
  std::int64_t created_s = 0;
  std::vector<ObjectId> further_parents;
  std::vector<TensorEntry> tensors;
  std::map<std::uint64_t, Digest> audits;
  ReplayClass replay_class;
  ProgramEntry program;
  std::map<std::string, double> metrics;
  SnapshotOrigin origin;
  std::string run = {};  ///< as Ref::run
};

/// The cost of a snapshot.
struct SnapshotCost {
  std::uint64_t added_bytes = 0;    ///< plain bytes of chunks given to add(), and of the values
  std::uint64_t new_bytes = 0;      ///< of added_bytes, bytes that the store did not have
  std::uint64_t kept_bytes = 0;     ///< plain bytes of chunks given to keep()
  std::uint64_t written_bytes = 0;  ///< bytes of all objects that were written
  std::uint64_t packs = 0;          ///< packs that were written
};

/// Writes one snapshot: first the packs, which it reads back, then nodes, the manifest and the ref.
/// If the process is killed anywhere, only garbage is left, which a prune removes. A snapshot that
/// is not committed is never read.
///
/// The constructor makes an Intent, so that a prune removes nothing that this needs; commit() and
/// the destructor remove it. One thread; store and catalog outlive it. All calls that read or write
/// throw what the store throws; with `workers` what the write of a pack throws comes from a later
/// call, from commit() at the latest.
///
///     SnapshotWriter writer(store, catalog, {.job = "gpt", .layout = layout, .writer = token,
///                                            .parent = latest});
///     for (each chunk) unchanged ? writer.keep(region, index) : writer.add(region, index, bytes);
///     writer.add_values(values);
///     const Ref ref = writer.commit({.step = 41000, .epoch = 3, .state_digest = state_digest});
class SnapshotWriter {
 public:
  /// Throws Error{bad_request} for an invalid name or chunk size, Error{conflict} if `writer` is in
  /// use, and Error{corrupt, not_found, protocol_mismatch} when the parent or a batch in trash
  /// cannot be read; the caller may then begin without a parent.
  SnapshotWriter(Store& store, PackCatalog& catalog, SnapshotStart start);
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// Whether keep() is possible for this chunk: the parent has a chunk of the same size in an equal
  /// region (name, dtype, shape and size), in a pack that no prune is about to remove.
  [[nodiscard]] bool may_keep(RegionId region, std::uint64_t index) const;
  /// Takes the chunk over from the parent without reading it. The caller must know, by its digest,
  /// that it is unchanged. Throws Error{bad_request} unless may_keep().
  void keep(RegionId region, std::uint64_t index);
  /// Adds the bytes of a chunk; they are not needed after the call. When a pack is full it is
  /// written to the store, which blocks. Chunks may come in any order, each once. Throws
  /// Error{refused} as commit() does, Error{bad_request} for an unknown chunk, a wrong size or a
  /// chunk that came before, and Error{corrupt} when a pack reads back other than it was written.
  void add(RegionId region, std::uint64_t index, std::span<const std::byte> bytes);
  /// Does for all `chunks` what add() does for one. The bytes must not change during the call.
  void add_all(std::span<const GivenChunk> chunks);
  /// Adds the bytes of the values. To be called exactly once, also when they are empty. Throws as
  /// add().
  void add_values(std::span<const std::byte> bytes);
  /// The digest of the parent's chunk, for a caller that wants to know what to keep(). Nullopt: it
  /// is not recorded, or may_keep() is false.
  [[nodiscard]] std::optional<Digest> parent_digest(RegionId region, std::uint64_t index) const;
  /// Records the digests of all chunks, in the order of the layout, for the next snapshot's
  /// parent_digest(). To be called once at most. Throws as add(), and Error{bad_request} for
  /// another number of digests.
  void add_digests(std::span<const Digest> digests);

  /// Publishes the snapshot, with the number after the last one that existed when this began. To be
  /// called once. Claims the epoch first; throws Error{conflict} as claim_epoch(), and when another
  /// writer took that number: another copy of the job may be alive. Throws Error{refused}
  /// when a prune is about to remove an object that this needs, or somebody removed the intent: the
  /// job is not concerned, begin a new snapshot. Throws Error{bad_request}, whose text names it,
  /// when a chunk is missing, and Error{corrupt} when an object reads back other than it was
  /// written.
  [[nodiscard]] Ref commit(const SnapshotFacts& facts);

  [[nodiscard]] const SnapshotCost& cost() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cardswap::store
