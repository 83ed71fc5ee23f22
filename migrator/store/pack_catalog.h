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

/// Where the chunks of a store lie, by the indexes of its packs. About 100 bytes a chunk. One
/// thread; it may be kept from one snapshot to the next.
class PackCatalog {
 public:
  /// A chunk, and the pack that has it.
  struct Place {
    ObjectId pack;
    ChunkRef chunk;
  };

  /// Takes in the packs that came since, and lets go of those that went. A pack whose index cannot
  /// be read is told in damaged() and its chunks are not there.
  void refresh(Store& store);
  /// Takes in one pack.
  void add(const ObjectId& pack, const std::vector<ChunkRef>& chunks);

  /// Where the chunk lies; null: in no pack. Valid until the next refresh() or add().
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
