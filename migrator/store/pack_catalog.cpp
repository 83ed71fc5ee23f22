#include "migrator/store/pack_catalog.h"

#include <algorithm>
#include <array>

#include "migrator/base/error.h"
#include "migrator/store/names.h"

namespace cardswap::store {
namespace {

std::vector<ChunkPlace> index_of(Store& store, const std::string& name) {
  const auto size = store.size_of(name);
  if (!size) throw Error(Code::not_found, "it was removed meanwhile");
  std::array<std::byte, kPackFooterBytes> end{};
  if (*size < end.size() || store.read(name, *size - end.size(), end) != end.size()) {
    throw Error(Code::corrupt, "pack: it is cut off");
  }
  const auto footer = read_pack_footer(end, *size);
  std::vector<std::byte> index(*size - end.size() - footer.index_at);
  if (store.read(name, footer.index_at, index) != index.size()) {
    throw Error(Code::corrupt, "pack: its index is cut off");
  }
  return read_pack_index(index, footer);
}

}  // namespace

void PackCatalog::refresh(Store& store) {
  damaged_.clear();
  const auto names = list_all(store, kPacks);
  std::set<ObjectId> there;
  for (const auto& name : names) {
    if (const auto id = id_in_name(name)) there.insert(*id);
  }
  if (!std::ranges::includes(there, packs_)) {  // what one pack had another may have, too
    packs_.clear();
    places_.clear();
  }
  for (const auto& name : names) {
    const auto id = id_in_name(name);
    if (id && packs_.contains(*id)) continue;
    try {
      if (!id) throw Error(Code::corrupt, "it is not the name of a pack");
      add(*id, index_of(store, name));
    } catch (const Error& e) {
      if (is_store_failure(e.code())) throw;
      if (e.code() != Code::not_found) damaged_.push_back({name, e.failure()});
    }
  }
}

void PackCatalog::add(const ObjectId& pack, const std::vector<ChunkPlace>& chunks) {
  packs_.insert(pack);
  for (const auto& chunk : chunks) places_.insert_or_assign(chunk.id, Place{pack, chunk});
}

const PackCatalog::Place* PackCatalog::find(const ObjectId& chunk) const {
  const auto found = places_.find(chunk);
  return found == places_.end() ? nullptr : &found->second;
}

}  // namespace cardswap::store
