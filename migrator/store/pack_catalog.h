#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "migrator/store/object_id.h"
#include "migrator/store/pack.h"
#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// Knows in which packs the chunks of a store are, from the indices of the packs. Takes about 100
/// bytes of memory for each chunk. May be kept from one snapshot to the next. One thread; find()
/// and other const calls on several threads while nothing changes it.
class PackCatalog {
 public:
  /// A chunk, and the pack in which it is.
  struct Place {
    ObjectId pack;
    ChunkPlace chunk;
  };

  /// Reads the indices of packs that are new in the store, and removes packs that are gone. A pack
  /// whose index cannot be read is listed in damaged(), and its chunks are not found. Throws what
  /// Store::list() throws.
  void refresh(Store& store);
  /// Adds one pack.
  void add(const ObjectId& pack, const std::vector<ChunkPlace>& chunks);

  /// Where the chunk is. Null: in no pack. Valid until the next refresh() or add().
  [[nodiscard]] const Place* find(const ObjectId& chunk) const;
  [[nodiscard]] bool has_pack(const ObjectId& pack) const { return packs_.contains(pack); }
  [[nodiscard]] std::size_t chunks() const { return places_.size(); }
  [[nodiscard]] const std::vector<Damage>& damaged() const { return damaged_; }

 private:
  std::set<ObjectId> packs_;
  std::unordered_map<ObjectId, Place, IdHash> places_;
  std::vector<Damage> damaged_;
};

}  // namespace cardswap::store
