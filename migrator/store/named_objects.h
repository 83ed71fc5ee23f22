#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "migrator/store/manifest.h"
#include "migrator/store/node.h"
#include "migrator/store/object_id.h"
#include "migrator/store/store.h"

/// Read objects whose names are made of the hash of their bytes, and check the hash. Each throws
/// what get() throws, and Error{corrupt}, whose text begins with the name, when the hash differs.
namespace cardswap::store {

/// The bytes of the object; `most` as in get(). Throws also when the name has no id.
[[nodiscard]] std::vector<std::byte> get_named(Store& store, const std::string& name,
                                               std::uint64_t most);
[[nodiscard]] Node get_node(Store& store, const ObjectId& id);
[[nodiscard]] Manifest get_manifest(Store& store, const ObjectId& id);

}  // namespace cardswap::store
