#include "migrator/store/pack_put.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "migrator/base/error.h"
#include "migrator/store/names.h"
#include "migrator/store/trash.h"

namespace cardswap::store {
namespace {

constexpr std::size_t kCompareBytes = 1U << 20;  // what the processor's cache holds

}  // namespace

void read_back(Store& store, const std::string& name, std::span<const std::byte> bytes) {
  const auto differs = [&] {
    return Error(Code::corrupt, fmt::format("{}: it reads back otherwise than written", name));
  };
  if (store.size_of(name) != bytes.size()) throw differs();
  std::vector<std::byte> piece(std::min(bytes.size(), kCompareBytes));
  for (std::size_t at = 0; at < bytes.size(); at += piece.size()) {
    const auto size = std::min(piece.size(), bytes.size() - at);
    if (store.read(name, at, std::span(piece).first(size)) != size ||
        std::memcmp(piece.data(), bytes.data() + at, size) != 0) {
      throw differs();
    }
  }
}

StoredPack put_pack(Store& store, Pack pack) {
  StoredPack stored;
  stored.id = id_of(pack.bytes);
  stored.chunks = std::move(pack.chunks);
  const auto name = pack_name(stored.id);
  if (store.put_new(name, pack.bytes) == PutResult::created) {
    stored.written_bytes = pack.bytes.size();
  } else if (trashed_in(store).contains(name)) {
    throw Error(Code::refused, fmt::format("{}: a prune is about to remove it", name),
                "take the snapshot again: the next one does not need it");
  }
  read_back(store, name, pack.bytes);
  return stored;
}

std::future<StoredPack> begin_put_pack(Store& store, Pack pack, WorkPriority priority) {
  const auto put = [&store, priority, caller = std::this_thread::get_id()](Pack full) {
    const bool is_callers = std::this_thread::get_id() == caller;
    if (priority == WorkPriority::background && !is_callers) yield_to_other_programs();
    return put_pack(store, std::move(full));
  };
  return std::async(std::launch::async | std::launch::deferred, put, std::move(pack));
}

}  // namespace cardswap::store
