#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"
#include "migrator/store/pack_catalog.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap::store {

/// A chunk to be read.
struct WantedChunk {
  PackCatalog::Place place;
  /// Where its bytes go, as many as it has; empty: it is only checked. No two chunks share bytes.
  std::span<std::byte> into;
};

/// What became of a chunk.
struct ChunkOutcome {
  Digest digest;                ///< of its bytes, unless it failed
  std::optional<Error> failed;  ///< why it has not the bytes of its id; its memory is unspecified
};

/// Reads the chunks, several at a time, and checks each against its id; returns one outcome for
/// each of them. Reads what lies side by side in a pack at once, up to 1 MiB, in the order of the
/// packs, and tells the store of what comes next (Store::read_soon()), 16 such runs ahead: the disk
/// reads while the threads unpack and hash. Holds one run and one chunk in memory for each thread.
/// Throws when the store cannot be asked (is_store_failure()), and Error{bad_request} for memory of
/// another size.
[[nodiscard]] std::vector<ChunkOutcome> read_chunks(Store& store, Workers& workers,
                                                    std::span<const WantedChunk> wanted);

}  // namespace cardswap::store
