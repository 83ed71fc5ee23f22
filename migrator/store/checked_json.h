#pragma once

#include <cstddef>
#include <vector>

#include "migrator/store/json.h"

/// JSON objects that prove themselves, for objects of a store that are not named after their bytes
/// and to which nothing refers by an id. One changed bit of a tag would name another snapshot, and
/// one of a batch in trash would have another snapshot removed.
namespace cardswap::store {

/// The canonical bytes of the object with a further member "check": the SHA-256 of its canonical
/// bytes without that member. Throws as canonical_bytes().
[[nodiscard]] std::vector<std::byte> checked_bytes(JsonObject object);
/// Throws Error{corrupt} if the object has a "check" that is another object's. One without it is
/// taken as it is.
void expect_checked(const Json& json);

}  // namespace cardswap::store
