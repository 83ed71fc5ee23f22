#pragma once

#include <vector>

#include "migrator/store/refs.h"
#include "migrator/store/store.h"

namespace cardswap::store {

/// Reads every object of the store and holds it against its own name and what refers to it; what
/// is damaged or missing, each named. Objects that nothing refers to are judged, too. The roots of
/// snapshots are SnapshotReader::verify()'s.
[[nodiscard]] std::vector<Damage> check_store(Store& store);

}  // namespace cardswap::store
