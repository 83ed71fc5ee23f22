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

namespace cardswap::store {

/// What a SnapshotWriter needs at its beginning.
struct SnapshotStart {
  std::string job;
  Layout layout;
  std::uint32_t chunk_bytes = kStoreChunkBytesMax;
  std::string writer;  ///< a label that is unique for each snapshot: a random token
  /// The snapshot whose chunks keep() takes over. Nullopt: every chunk must be added. If a prune is
  /// about to remove it, may_keep() is false for all chunks.
  std::optional<Ref> parent = std::nullopt;
  bool compress = true;  ///< compress chunks with zstd if that makes them shorter
};

/// The fields of a manifest that the caller provides at the commit. The writer itself fills in job,
/// layout, nodes, values and the first parent.
struct SnapshotFacts {
  std::string branch = "main";
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  Digest root;
  std::int64_t created_s = 0;
  std::vector<ObjectId> further_parents;
  std::vector<TensorEntry> tensors;
  std::map<std::uint64_t, Digest> audits;
  ReplayClass replay_class;
  ProgramEntry program;
  std::map<std::string, double> metrics;
  SnapshotOrigin origin;
};

/// The cost of a snapshot.
struct SnapshotCost {
  std::uint64_t added_bytes = 0;    ///< plain bytes of chunks given to add()
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
/// throw what the store throws.
///
///     SnapshotWriter writer(store, catalog, {.job = "gpt", .layout = layout, .writer = token,
///                                            .parent = latest});
///     for (each chunk) unchanged ? writer.keep(region, index) : writer.add(region, index, bytes);
///     writer.add_values(values);
///     const Ref ref = writer.commit({.step = 41000, .epoch = 3, .root = root});
class SnapshotWriter {
 public:
  /// Throws Error{bad_request} for an invalid name or chunk size, Error{conflict} if `writer` is in
  /// use, and Error{corrupt} when the parent cannot be read; the caller may then begin without it.
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
  /// written to the store, which blocks. Chunks may come in any order, each once.
  void add(RegionId region, std::uint64_t index, std::span<const std::byte> bytes);
  /// Adds the bytes of the values. To be called exactly once, also when they are empty.
  void add_values(std::span<const std::byte> bytes);

  /// Publishes the snapshot, with the number after the last one that existed when this began. To be
  /// called once. Throws Error{conflict} when another writer took that number or claimed a higher
  /// epoch; the trainer must then stop. Throws Error{bad_request}, whose text names it, when a
  /// chunk is missing, and Error{corrupt} when an object reads back other than it was written.
  [[nodiscard]] Ref commit(const SnapshotFacts& facts);

  [[nodiscard]] const SnapshotCost& cost() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cardswap::store
