#pragma once

#include <string>

#include "migrator/store/store.h"

namespace cardswap::store {

/// The object store.json, which identifies a store.
struct StoreFile {
  std::string uuid;
  bool operator==(const StoreFile&) const = default;
};

/// Makes an empty place a store with that uuid. If it is a store already, returns its present
/// StoreFile unchanged. Throws Error{refused} when the place has other objects, Error{bad_request}
/// when `uuid` is not a label (is_label()), and as open_store().
StoreFile ensure_store_file(Store& store, const std::string& uuid);
/// Reads store.json. Throws Error{not_found} when this is not a store, Error{protocol_mismatch}
/// when a newer release made it in another format, Error{corrupt}, and what the store throws.
[[nodiscard]] StoreFile open_store(Store& store);

}  // namespace cardswap::store
