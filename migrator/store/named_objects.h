#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "migrator/store/manifest.h"
#include "migrator/store/node.h"
#include "migrator/store/object_id.h"
#include "migrator/store/store.h"

/// Objects that are named after their bytes, read and held to their names. Each throws what get()
/// does, and Error{corrupt} that begins with the name where the bytes are other ones.
namespace cardswap::store {

[[nodiscard]] std::vector<std::byte> get_named(Store& store, const std::string& name,
                                               std::uint64_t most);
[[nodiscard]] Node get_node(Store& store, const ObjectId& id);
[[nodiscard]] Manifest get_manifest(Store& store, const ObjectId& id);

}  // namespace cardswap::store
