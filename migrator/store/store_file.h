#pragma once

#include <string>

#include "migrator/store/store.h"

namespace cardswap::store {

/// store.json: that there is a store, and which.
struct StoreFile {
  std::string uuid;
  bool operator==(const StoreFile&) const = default;
};

/// Makes an empty place a store called `uuid`; one that is a store stays the one it is. Throws
/// Error{refused} where other objects are already.
StoreFile init_store(Store& store, const std::string& uuid);
/// Throws Error{not_found} where no store is, Error{protocol_mismatch} where a newer release made
/// it in another format, Error{corrupt}.
[[nodiscard]] StoreFile open_store(Store& store);

}  // namespace cardswap::store
