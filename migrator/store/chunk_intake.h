#pragma once

#include <cstdint>
#include <exception>
#include <future>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "migrator/base/mutex.h"
#include "migrator/core/compression.h"
#include "migrator/store/node.h"
#include "migrator/store/pack.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/pack_put.h"
#include "migrator/store/snapshot_writer.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap::store {

/// Whether to try to compress the next chunk of a region. After a chunk that did not become shorter
/// the next chunk is not tried, then the next two, and so on up to 16.
class CompressionTrial {
 public:
  [[nodiscard]] bool should_try();
  void note(bool shortened);

 private:
  std::uint32_t skip_ = 0;
  std::uint32_t next_skip_ = 1;
};

/// A region's chunks as far as they are known.
struct RegionChunks {
  RegionChunks(std::uint64_t bytes, std::uint32_t chunk_bytes, std::uint8_t element_size);

  Node node;
  std::vector<bool> given;
  std::uint8_t element_bytes;
  CompressionTrial trial;  ///< by ChunkIntake, with its mutex held
};

/// A chunk on its way into a pack.
struct IncomingChunk {
  RegionChunks* chunks = nullptr;
  std::uint64_t index = 0;
  std::span<const std::byte> bytes;
  ObjectId id = {};
  std::optional<EncodedChunk> encoded = std::nullopt;  ///< none: the store has it
};

/// Takes the chunks of one snapshot: hashes them, encodes those that the store has not, and puts
/// them into packs and the packs into the store.
///
/// With workers it does the first two on their threads, and writes a full pack on another one while
/// the next is filled. One thread uses it. Store, catalog, `trashed`, `cost` and workers outlive
/// it; `trashed` and the catalog change only between the calls.
class ChunkIntake {
 public:
  ChunkIntake(Store& store, PackCatalog& catalog, const std::set<std::string>& trashed,
              SnapshotCost& cost, std::uint64_t salt, bool compress, Workers* workers);

  /// Whether the store has the chunk, in a pack that no prune is about to remove.
  [[nodiscard]] bool is_there(const ObjectId& chunk) const;
  /// Takes all, in batches, and notes in their regions that they are given. Throws as
  /// SnapshotWriter::add(); once a pack could not be written, always what its write has thrown.
  void take(std::span<IncomingChunk> incoming);
  /// Writes what is not written yet. The next take() begins another pack.
  void finish();

 private:
  [[nodiscard]] bool is_known(const ObjectId& chunk) const;
  [[nodiscard]] bool should_try(RegionChunks& chunks);
  void encode(IncomingChunk& chunk, Compressor& compressor);
  void add_to_pack(IncomingChunk& chunk);
  void begin_put();
  void end_put();
  template <class Put>
  void noting_failure(Put put);
  void check_not_failed() const;
  void note(const StoredPack& stored);

  Store& store_;
  PackCatalog& catalog_;
  const std::set<std::string>& trashed_;
  SnapshotCost& cost_;
  const bool compress_;
  Workers* const workers_;
  std::set<ObjectId> in_pack_;     // chunks of the pack that is being filled
  std::set<ObjectId> in_writing_;  // chunks of the pack that is being written
  std::exception_ptr failure_;     // of the pack that could not be written
  PackWriter pack_;
  std::vector<Compressor> compressors_;  // one for each slot of the workers
  Mutex trials_;                         // of the trials of all regions
  std::future<StoredPack> writing_;      // the last member: its end waits for what uses the store
};

}  // namespace cardswap::store
