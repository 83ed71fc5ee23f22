#include "migrator/store/store_file.h"

#include <fmt/format.h>

#include "migrator/base/error.h"
#include "migrator/store/json.h"
#include "migrator/store/names.h"
#include "migrator/store/pack.h"
#include "migrator/store/refs.h"

namespace cardswap::store {
namespace {

constexpr std::uint64_t kStoreFormat = 1;
constexpr const char* kHash = "sha2-256";

}  // namespace

StoreFile ensure_store_file(Store& store, const std::string& uuid) {
  if (!store.size_of(kStoreFile)) {
    if (!is_label(uuid)) throw Error(Code::bad_request, "a store's own name is none");
    // Another process may have made it a store meanwhile, and may have written into it.
    if (!store.list("", "", 1).empty() && !store.size_of(kStoreFile)) {
      throw Error(Code::refused,
                  fmt::format("{} is no store and has other things in it", store.facts().where),
                  "name a folder that is empty");
    }
    (void)store.put_new(kStoreFile,
                        canonical_bytes(JsonObject{{"chunk_max", std::uint64_t{kStoreChunkBytesMax}},
                                                   {"format", kStoreFormat},
                                                   {"hash", kHash},
                                                   {"sealed", false},
                                                   {"store", uuid}}));
  }
  return open_store(store);
}

StoreFile open_store(Store& store) {
  if (!store.size_of(kStoreFile)) {
    throw Error(Code::not_found, fmt::format("{} is no store of snapshots", store.facts().where),
                "`cardswap snapshot JOB --to` makes one, in a folder that is empty");
  }
  try {
    const auto json = read_canonical(get(store, kStoreFile, kRefBytesMax), 64);
    if (json.at("format").number() != kStoreFormat || json.at("hash").text() != kHash) {
      throw Error(Code::protocol_mismatch, "a newer release made this store");
    }
    return {json.at("store").text()};
  } catch (const Error& e) {
    throw e.within(kStoreFile);
  }
}

}  // namespace cardswap::store
