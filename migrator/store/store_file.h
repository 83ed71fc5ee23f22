#pragma once

#include <string>

#include "migrator/store/store.h"

namespace cardswap::store {

/// The object store.json, which identifies a store.
struct StoreFile {
  std::string id;  ///< a label (is_label()): the JSON's "store"
  bool operator==(const StoreFile&) const = default;
};

/// Makes an empty place a store with that id. If it is a store already, returns its present
/// StoreFile unchanged. Throws Error{refused} when the place has other objects, Error{bad_request}
/// when `id` is not a label, and as read_store_file().
StoreFile ensure_store_file(Store& store, const std::string& id);
/// Reads store.json. Throws Error{not_found} when this is not a store, Error{protocol_mismatch}
/// when a newer release made it in another format, Error{corrupt}, and what the store throws.
[[nodiscard]] StoreFile read_store_file(Store& store);

}  // namespace cardswap::store
