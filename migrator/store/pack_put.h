#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "migrator/store/pack.h"
#include "migrator/store/store.h"
#include "migrator/store/workers.h"

namespace cardswap::store {

/// Reads the object back and throws Error{corrupt} if it is not as it was written. It does not rely
/// on the success that the disk or the server reports, but on Store::read(): what comes from a
/// cache tells nothing of the disk. To be called right after put_new().
void read_back(Store& store, const std::string& name, std::span<const std::byte> bytes);

/// A pack that is in the store.
struct StoredPack {
  ObjectId id;
  std::vector<ChunkPlace> chunks;
  std::uint64_t written_bytes = 0;  ///< 0: the store had it already
};

/// Names the pack, writes it to the store and reads it back. Throws Error{refused} if a prune is
/// about to remove a pack of that name, Error{corrupt} as read_back(), and what the store throws.
[[nodiscard]] StoredPack put_pack(Store& store, Pack pack);

/// Does put_pack() on a thread of its own, so that the caller fills the next pack meanwhile; in the
/// caller's get() if the host has no thread more. The destructor of the future waits. The store
/// outlives it.
[[nodiscard]] std::future<StoredPack> begin_put_pack(Store& store, Pack pack,
                                                     WorkPriority priority);

}  // namespace cardswap::store
