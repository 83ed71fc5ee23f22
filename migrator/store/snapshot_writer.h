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

/// What a snapshot begins with.
struct SnapshotStart {
  std::string job;
  Layout layout;
  std::uint32_t chunk_bytes = kChunkBytesMost;
  std::string writer;  ///< a label that no other writing ever has: a random token
  /// The snapshot whose chunks keep() refers to; none: every chunk is added. One that is on its way
  /// out is not used: may_keep() says so.
  std::optional<Ref> parent = std::nullopt;
  bool pack = true;  ///< zstd, where it pays
};

/// What a snapshot is besides its bytes: what the manifest says and the writer does not know. Job,
/// layout, nodes, values and parent are the writer's.
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

/// What a snapshot cost.
struct SnapshotCost {
  std::uint64_t added_bytes = 0;    ///< plain bytes of chunks that were given to add()
  std::uint64_t new_bytes = 0;      ///< of those, bytes that the store did not have
  std::uint64_t kept_bytes = 0;     ///< plain bytes of chunks that were kept
  std::uint64_t written_bytes = 0;  ///< of all objects that were made
  std::uint64_t packs = 0;
};

/// Writes one snapshot: packs, read back; then nodes, the manifest, the ref. Killed anywhere it
/// leaves garbage at most, which a prune removes. Not committed: nothing of it is ever read.
///
/// The constructor announces itself (an intent), so that a prune removes nothing that this relies
/// on; commit() and the destructor take that back. One thread; store and catalog outlive it.
///
///     SnapshotWriter writer(store, catalog, {.job = "gpt", .layout = layout, .writer = token,
///                                            .parent = latest});
///     for (each chunk) unchanged ? writer.keep(region, index) : writer.add(region, index, bytes);
///     writer.add_values(values);
///     const Ref ref = writer.commit({.step = 41000, .epoch = 3, .root = root});
class SnapshotWriter {
 public:
  /// Throws what the store throws, Error{bad_request} for names or a chunk size that a store does
  /// not take, Error{corrupt} where the parent cannot be read: begin without it then.
  SnapshotWriter(Store& store, PackCatalog& catalog, SnapshotStart start);
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  /// Whether keep() can be used for this chunk: the parent has one of that size in a region of that
  /// name, dtype, shape and size, and it lies in a pack that stays.
  [[nodiscard]] bool may_keep(RegionId region, std::uint64_t index) const;
  /// Takes the chunk over from the parent, unread: the caller knows by its digest that it is
  /// unchanged. Throws Error{bad_request} unless may_keep().
  void keep(RegionId region, std::uint64_t index);
  /// Takes in a chunk's bytes; they may change or go once this returns. Writes a pack when one is
  /// full, which takes the time of the disk. Chunks come in any order, each once.
  void add(RegionId region, std::uint64_t index, std::span<const std::byte> bytes);
  /// Takes in the values' bytes; once, also where they are empty.
  void add_values(std::span<const std::byte> bytes);

  /// Publishes the snapshot under the number behind the last one there was when this began. Throws
  /// Error{conflict} where another writer took that number, or claimed a higher epoch: this trainer
  /// is to stand then. Throws Error{bad_request} that names a chunk which nobody gave,
  /// Error{corrupt} where something reads back otherwise than it was written. Once.
  [[nodiscard]] Ref commit(const SnapshotFacts& facts);

  [[nodiscard]] const SnapshotCost& cost() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cardswap::store
